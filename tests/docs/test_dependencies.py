"""docs/dependencies.md says of each dependency what it is for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements}


@pytest.mark.parametrize("name", sorted(names([*PROJECT["dependencies"], *sum(EXTRAS.values(), [])])))
def test_a_dependency_has_its_reason(name: str) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert re.search(rf"^\|.*\b{re.escape(name)}\b.*\|.*\|$", page, re.MULTILINE), name
