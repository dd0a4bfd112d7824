"""How much does one subject cost in one case, measured once, in this process?

``run.py`` starts this for each repeat, in the environment that has the subject's packages. By hand, it is the way to
look at one number, or, with ``--profile``, at where the time goes:

``python benchmarks/measure.py throughput turnkeeper/trio/handle jobs=10000 workers=4 --profile``

It prints one line of JSON: the figures of the case.
"""

import argparse
import cProfile
import json
import pstats
import sys
from contextlib import nullcontext
from types import ModuleType

from suite import cases
from suite.subjects import SUBJECTS, Subject


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=cases.NAMES)
    parser.add_argument("subject", choices=SUBJECTS, metavar="subject", help=", ".join(SUBJECTS))
    parser.add_argument("settings", nargs="*", metavar="name=value", help="settings of the case, as JSON values")
    parser.add_argument("--profile", action="store_true", help="print on stderr where the time goes (figures grow)")
    options = parser.parse_args()
    case, subject = cases.case(options.case), SUBJECTS[options.subject]
    if not subject.installed():
        sys.exit(f"{subject.name} is not installed in this environment: {sys.executable}")
    settings = {name: _value(value) for name, value in (setting.split("=", 1) for setting in options.settings)}
    settings = _smallest(case, subject) | settings
    with cProfile.Profile() if options.profile else nullcontext() as profile:
        figures = case.measure(subject, **settings)
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(40)
    print(json.dumps(figures))


def _smallest(case: ModuleType, subject: Subject) -> dict:
    """Return settings to begin with, for those that are not given."""
    smallest = case.settings(subject, "smoke")
    if not smallest:
        sys.exit(f"{subject.name} does not take part in this case")
    return smallest[0]


def _value(text: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


if __name__ == "__main__":
    main()
