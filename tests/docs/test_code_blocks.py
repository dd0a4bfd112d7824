"""Every Python block in the README and in the documentation runs, from top to bottom, in virtual time.

The blocks of one page share one namespace. A block whose fence says ```` ```python no-run ```` is compiled
only; an HTML comment right above it gives the reason.
"""

import ast
import asyncio
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
import trio.testing
from code_blocks import PAGES, ROOT, Block, PageError, as_module, blocks

from turnkeeper_trio.testing import VirtualEventLoop


def run_page(page: Path) -> int:
    """Run a page, and return how many blocks it has."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    with virtual_time():
        for block in blocks(page):
            count += 1
            padded = "\n" * (block.line - 1) + block.source
            flags = 0 if block.runs else ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            try:
                code = compile(padded, str(page), "exec", flags=flags, dont_inherit=True)
                if block.runs:
                    exec(code, namespace)  # noqa: S102
            except Exception as error:
                raise PageError(page, line_of(error, page, block), f"{type(error).__name__}: {error}") from error
    return count


def line_of(error: Exception, page: Path, block: Block) -> int:
    """Return the line of the page at which an error arose."""
    if isinstance(error, SyntaxError) and error.filename == str(page):
        return error.lineno or block.line
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(page)]
    return (frames[-1].lineno if frames else None) or block.line


@contextmanager
def virtual_time() -> Iterator[None]:
    """Make what a page starts an event loop with start it in virtual time; nothing else is changed."""
    trio_run, anyio_run = trio.run, anyio.run

    def run_trio(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        options.setdefault("clock", trio.testing.MockClock(autojump_threshold=0))
        return trio_run(fn, *args, **options)

    def run_anyio(fn: Callable[..., Any], *args: Any, backend: str = "asyncio", **options: Any) -> Any:
        if backend == "asyncio":
            options["backend_options"] = {
                "loop_factory": VirtualEventLoop,
                **options.get("backend_options", {}),
            }
        return anyio_run(fn, *args, backend=backend, **options)

    def run_asyncio(main: Any, *, debug: bool | None = None, loop_factory: Any = VirtualEventLoop) -> Any:
        with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
            return runner.run(main)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio, "run", run_trio)
        patch.setattr(anyio, "run", run_anyio)
        patch.setattr(asyncio, "run", run_asyncio)
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page(page: Path) -> None:
    assert run_page(page) == len(list(blocks(page)))


def write(page: Path, text: str) -> Path:
    page.write_text(text, "utf-8")
    return page


def test_blocks_share_a_namespace_and_run_in_virtual_time(tmp_path: Path) -> None:
    page = write(
        tmp_path / "page.md",
        """# Page
```python
import anyio, asyncio, trio
async def main():
    await anyio.sleep(86_400)
    return anyio.current_time()
```
1. in a list
   ```python
   assert trio.run(main) == 86_400
   assert anyio.run(main) == anyio.run(main, backend="trio") == asyncio.run(main()) == 86_400
   ```
```text
not Python
```
````md
```python
raise ValueError("inside another block")
```
````
<!-- needs a network -->
```python no-run
await anyio.connect_tcp("localhost", 1)
```
""",
    )
    assert run_page(page) == 3


def test_a_failure_names_page_and_line(tmp_path: Path) -> None:
    page = write(
        tmp_path / "page.md",
        "\n```python\ndef f():\n    raise LookupError('why')\n```\n\n```python\nf()\n```\n",
    )
    with pytest.raises(PageError, match=r"^page\.md:4: LookupError: why$"):
        run_page(page)


@pytest.mark.parametrize("info", ["python", "python no-run"])
def test_a_syntax_error_names_page_and_line(tmp_path: Path, info: str) -> None:
    page = write(tmp_path / "page.md", f"<!-- a reason -->\n```{info}\nx = 1\nx = = 2\n```\n")
    with pytest.raises(PageError, match=r"^page\.md:4: SyntaxError"):
        run_page(page)


@pytest.mark.parametrize("above", ["", "<!-- -->\n", "<!-- a reason -->\ntext\n"])
def test_a_block_that_is_not_run_needs_a_reason(tmp_path: Path, above: str) -> None:
    page = write(tmp_path / "page.md", f"{above}```python no-run\nx = 1\n```\n")
    with pytest.raises(PageError, match="needs its reason"):
        run_page(page)


@pytest.mark.parametrize("info", ["py", "{code-block} python", "python skip"])
def test_no_block_escapes_by_another_name(tmp_path: Path, info: str) -> None:
    page = write(tmp_path / "page.md", f"```{info}\nx = 1\n```\n")
    with pytest.raises(PageError, match=r"^page\.md:1: "):
        run_page(page)


def test_a_page_is_a_module_with_its_own_line_numbers_and_no_name_twice(tmp_path: Path) -> None:
    page = write(
        tmp_path / "page.md",
        """# Page
```python
import trio
async def main() -> None: ...
trio.run(main)
```
text
```python
async def main() -> None:
    print("main", trio.main)
trio.run(main)
```
<!-- a reason -->
```python no-run
await main()

print()
```
""",
    )
    assert as_module(page).splitlines() == [
        "",
        "",
        "import trio",
        "async def main() -> None: ...",
        "trio.run(main)",
        "",
        "",
        "",
        "async def main_2() -> None:",
        '    print("main", trio.main)',
        "trio.run(main_2)",
        "",
        "",
        "async def block_at_line_15() -> None:",
        "    await main_2()",
        "",
        "    print()",
    ]


def test_a_page_without_blocks_is_no_module(tmp_path: Path) -> None:
    assert as_module(write(tmp_path / "page.md", "```text\nnothing\n```\n")) == ""
