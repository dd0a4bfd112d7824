"""Each page belongs to one part of the documentation, and each question of "How do I …?" leads to a page."""

import re
from collections import Counter
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TOCTREE = re.compile(r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUESTIONS = re.findall(r"^\| ([^|]+\?) \| (.+) \|$", (DOCS / "howto" / "index.md").read_text("utf-8"), re.MULTILINE)


def test_each_page_is_in_one_part() -> None:
    entries = Counter(
        (page.parent / f"{entry}.md").relative_to(DOCS)
        for page in DOCS.glob("**/*.md")
        for tree in TOCTREE.findall(page.read_text("utf-8"))
        for entry in re.findall(r"([\w/-]+)>?$", tree, re.MULTILINE)
    )
    assert set(entries) == {page.relative_to(DOCS) for page in DOCS.glob("**/*.md")} - {Path("index.md")}
    assert set(entries.values()) == {1}


@pytest.mark.parametrize(("question", "answer"), QUESTIONS)
def test_each_question_leads_to_a_page(question: str, answer: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", answer)
    assert links, question
    assert all((DOCS / "howto" / link).resolve().exists() for link in links), question


def test_there_are_questions() -> None:
    assert len(QUESTIONS) > 40
