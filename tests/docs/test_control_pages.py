"""What the pages on control say that their code prints, it prints: each ``text`` block right below a ``python`` block."""

import importlib.util
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
PAGES = sorted((HERE.parents[1] / "docs" / "control").glob("*.md"))
PRINTED = re.compile(r"^```python\n(?P<code>.*?)\n```\n+(?:```text\n(?P<printed>.*?)```\n)?", re.DOTALL | re.MULTILINE)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("code_blocks", HERE / "test_code_blocks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed_by(page: Path) -> Iterator[tuple[int, str, str]]:
    """Run a page; return for each of its blocks its line, what it is said to print, and what it printed."""
    text = page.read_text("utf-8")
    namespace: dict[str, object] = {"__name__": "__main__"}
    with load().virtual_time():
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
