"""docs/dependencies.md says of each dependency what it is for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REQUIREMENTS = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]


NAMES = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for group in REQUIREMENTS for requirement in group}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_dependency_has_its_reason(name: str) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert re.search(rf"^\|.*\b{re.escape(name)}\b.*\|.*\|$", page, re.MULTILINE), name
