"""What the pages on control say that their code prints, it prints: ``text`` right below ``python`` says it."""

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from by_path import load

HERE = Path(__file__).parent
PAGES = sorted((HERE.parents[1] / "docs" / "howto").glob("*.md"))
PRINTED = re.compile(r"^```python\n(?P<code>.*?)\n```\n+(?:```text\n(?P<printed>.*?)```\n)?", re.DOTALL | re.MULTILINE)


def printed_by(page: Path) -> Iterator[tuple[int, str, str]]:
    """Run a page; return for each of its blocks its line, what it is said to print, and what it printed."""
    text = page.read_text("utf-8")
    namespace: dict[str, object] = {"__name__": "__main__"}
    with load(HERE / "test_code_blocks.py").virtual_time():
        for found in PRINTED.finditer(text):
            line = text.count("\n", 0, found.start("code"))
            output = io.StringIO()
            with redirect_stdout(output):
                exec(compile("\n" * line + found["code"], str(page), "exec", dont_inherit=True), namespace)  # noqa: S102
            yield line + 1, found["printed"] or "", output.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_its_code_prints(page: Path) -> None:
    for line, said, printed in printed_by(page):
        assert said == printed, f"{page.name}:{line}"
