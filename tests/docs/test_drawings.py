"""The timelines in the documentation are what the code does: each is drawn again from a real run, and compared."""

import re
from pathlib import Path

import pytest
from by_path import load

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))


timelines = load(DOCS / "_tools" / "timelines.py")
ASKED = [
    (page, found["name"], found["drawn"]) for page in PAGES for found in timelines.ASKED.finditer(page.read_text())
]


@pytest.mark.parametrize(
    ("page", "name", "drawn"), ASKED, ids=lambda value: value.stem if isinstance(value, Path) else ""
)
def test_a_timeline_is_what_happens(page: Path, name: str, drawn: str) -> None:
    assert drawn == timelines.DRAWINGS[name](), f"{page.name} is out of date: python docs/_tools/timelines.py"


def test_each_timeline_is_in_one_page() -> None:
    assert sorted(name for _, name, _ in ASKED) == sorted(timelines.DRAWINGS)


def test_no_timeline_escapes() -> None:
    drawn = [
        block for page in PAGES for block in re.findall(r"```text\n(seconds .*?)\n```", page.read_text(), re.DOTALL)
    ]
    assert sorted(drawn) == sorted(drawn for _, _, drawn in ASKED)
