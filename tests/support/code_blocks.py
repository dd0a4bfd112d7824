"""The Python blocks of the README and of the documentation: found, and written to files for the type checkers.

    python tests/support/code_blocks.py DIRECTORY

writes a module for each page, in which each line has the number that it has in the page. The blocks of one page share
one namespace, in which a later block may define a name again: in the module it gets another name then. A block that is
not run may stand in a coroutine that the page does not show.
"""

import ast
import itertools
import json
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
ALIASES = re.compile(r"py|python3|pycon|\{(code|code-block|sourcecode)\} *(py|python|python3)")


class Block(NamedTuple):
    line: int
    """The number of its first line in the page."""
    source: str
    runs: bool


class PageError(AssertionError):
    """A page is wrong at a line."""

    def __init__(self, page: Path, line: int, problem: str) -> None:
        super().__init__(f"{page.name}:{line}: {problem}")


def blocks(page: Path) -> Iterator[Block]:
    """Return the Python blocks of a page."""
    lines = page.read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        begin, fence, indent = number, opening["fence"], len(opening["indent"])
        closing = re.compile(rf" *{re.escape(fence[0])}{{{len(fence)},}} *")
        while number < len(lines) and not closing.fullmatch(lines[number]):
            number += 1
        info = opening["info"].strip()
        if ALIASES.fullmatch(info):
            raise PageError(page, begin, f"say ```python instead of {info!r}, or this is not tested")
        if info.split(" ")[0] == "python":
            if info not in {"python", "python no-run"}:
                raise PageError(page, begin, f"what does {info!r} mean?")
            if info == "python no-run" and not has_reason(lines[: begin - 1]):
                raise PageError(page, begin, "a block that is not run needs its reason in a comment above")
            source = "\n".join(line[indent:] for line in lines[begin:number])
            yield Block(begin + 1, source, runs=info == "python")
        number += 1


def has_reason(above: list[str]) -> bool:
    """Tell whether what stands above a block ends with an HTML comment that says something."""
    text = "\n".join(above).rstrip()
    return re.search(r"<!--\s*\w[^>]*-->$", text) is not None


def as_module(page: Path) -> str:
    """Return the blocks of a page as one module, in which nothing is defined twice."""
    lines: list[str] = []
    defined: Counter[str] = Counter()
    current: dict[str, str] = {}
    for block in blocks(page):
        for name in definitions(block.source):
            defined[name] += 1
            if defined[name] > 1:
                current[name] = f"{name}_{defined[name]}"
        source = renamed(block.source, current).splitlines()
        lines += [""] * (block.line - 1 - len(lines))
        if not block.runs:
            lines[-1] = f"async def block_at_line_{block.line}() -> None:"
            source = [f"    {line}" if line else line for line in source]
        lines += source
    return "".join(f"{line}\n" for line in lines)


def definitions(source: str) -> set[str]:
    """Return the names of the functions and classes that a block defines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = compile(source, "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST, dont_inherit=True)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def renamed(source: str, names: dict[str, str]) -> str:
    """Give names in a piece of code other names; attributes and what stands in strings stay as they are."""
    rows = source.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(StringIO(source).readline))
    for before, token in reversed(list(itertools.pairwise(tokens))):
        if token.type == tokenize.NAME and token.string in names and before.string != ".":
            (row, begin), (_, end) = token.start, token.end
            rows[row - 1] = rows[row - 1][:begin] + names[token.string] + rows[row - 1][end:]
    return "".join(rows)


def main(directory: Path) -> None:
    """Write a module for each page that has blocks, and what tells pyright to be strict."""
    directory.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        if text := as_module(page):
            name = re.sub(r"\W", "_", page.relative_to(ROOT).with_suffix("").as_posix())
            (directory / f"{name}.py").write_text(text, "utf-8")
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (directory / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
