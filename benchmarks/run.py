"""How does this library compare, in one run, with other schedulers and with floors written by hand?

``python benchmarks/run.py --short`` makes the environments that it needs (in ``benchmarks/.work``, with venv and pip;
one has a compiled wheel of this library, if there is a C compiler), measures each subject in each case in fresh
processes, and writes ``results.json``, ``report.md`` and plots into the folder ``--out``. A short run takes about
twenty minutes, the full one hours, ``--smoke`` (does everything still work?) one.

Results are saved after each measurement. A run that was cut short goes on with ``--resume``; ``--again`` measures what
``--case``, ``--subject`` and ``--only`` choose again and keeps the rest; ``--report`` writes the report of what there
is, and ``--page docs/performance.md`` also fills in the tables of that page:

``run.py --short --resume``
``run.py --short --again --case control --case bulk``
``run.py --report --page docs/performance.md``

While developing, ``--here`` measures, with the interpreter in use, what it has the packages for; ``--case``,
``--subject`` and ``--only`` choose:

``run.py --here --case throughput --subject 'turnkeeper/*/handle' --subject 'floor-v*' --only jobs=10000 --repeats 1``
"""

import argparse
import subprocess
import sys
from pathlib import Path

from suite import environments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--short", dest="scale", action="store_const", const="short", help="fewer and smaller")
    scale.add_argument("--smoke", dest="scale", action="store_const", const="smoke", help="as small as can be")
    parser.add_argument("--case", action="append", help="a case (again for more); without, all")
    parser.add_argument("--subject", action="append", help="a pattern of subjects' names (again for more)")
    parser.add_argument("--only", action="append", help="a setting that it must have, such as workers=4")
    parser.add_argument("--repeats", type=int, help="5; in a short run 3, but 1 of what takes long; in a smoke run 1")
    parser.add_argument("--out", type=Path, default=Path("benchmarks-out"), help="where the results go")
    parser.add_argument("--work", type=Path, default=environments.BENCHMARKS / ".work", help="where environments live")
    parser.add_argument("--here", action="store_true", help="use this interpreter, and make no environments")
    held = parser.add_mutually_exclusive_group()
    held.add_argument("--resume", action="store_true", help="keep the results in --out, and measure what is missing")
    held.add_argument(
        "--again", action="store_true", help="keep the results in --out, and measure what is chosen again"
    )
    held.add_argument("--report", action="store_true", help="measure nothing: write the report again from results.json")
    parser.add_argument("--page", type=Path, help="also fill in the tables of this page, docs/performance.md")
    parser.add_argument("--python", action="append", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        pythons = environments.here()
    elif options.python:
        pythons = dict(python.split("=", 1) for python in options.python)
    else:
        # The rest needs packages: it goes on in the environment that has them.
        pythons = environments.made(options.work, ["main"] if options.report else environments.NAMES)
        given = [f"--python={name}={python}" for name, python in pythons.items()]
        sys.exit(subprocess.run([pythons["main"], __file__, *sys.argv[1:], *given], check=False).returncode)

    from suite import running  # noqa: PLC0415  (it needs packages)

    sys.exit(running.run(options, pythons))


if __name__ == "__main__":
    main()
