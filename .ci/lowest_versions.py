"""Print the lowest version that pyproject.toml declares of each package, as constraints for pip.

Of those that the library needs, and of those of the extras that are named: ``python .ci/lowest_versions.py test``. What
has no lower bound (it is on some platforms only, or brings data) is left to pip.
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in sys.argv[1:])]
for requirement in (requirement for group in groups for requirement in group):
    lowest = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)", requirement)
    if lowest is not None:
        print(f"{lowest[1]}=={lowest[2]}")
