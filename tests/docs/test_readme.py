"""The README: its two commands are one line each, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
LINKS = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]


def commands(heading: str) -> list[str]:
    """Return the lines of the first block of shell under a heading, as `.ci/run` takes them."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return section.split("```sh\n", 1)[1].split("```", 1)[0].splitlines()


@pytest.mark.parametrize(
    ("heading", "installs", "runs"),
    [
        ("Quick start", ".", "examples/quickstart.py"),
        ("Run the tests", "'.[test]'", "-m pytest -n 2"),
    ],
)
def test_a_command_is_one_line_and_leaves_the_system_python_alone(heading: str, installs: str, runs: str) -> None:
    set_up, install, run = commands(heading)[0].split(" && ")
    assert len(commands(heading)) == 1
    assert set_up == "python3 -m venv .venv"
    assert install == f".venv/bin/python -m pip install --quiet {installs}"
    assert run == f".venv/bin/python {runs}"


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_a_link_leads_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    text = (ROOT / path).read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert not anchor or anchor in slugs
