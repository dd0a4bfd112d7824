"""The README: its program prints what it says, its two commands are one line each, and its links lead somewhere."""

import io
import re
import signal
import tomllib
from collections.abc import Callable, Coroutine
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
import trio

from turnkeeper_trio.testing import run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
OURS = "https://github.com/turnkeeper/turnkeeper-trio/blob/main/"
ALL_LINKS = re.findall(r"\]\(([^)]+)\)", README)
LINKS = [link.removeprefix(OURS) for link in ALL_LINKS if link.startswith(OURS)]


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


def test_links_are_absolute_for_the_readme_is_shown_elsewhere_too() -> None:
    assert [link for link in ALL_LINKS if not link.startswith("https://")] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert OURS.startswith(project["urls"]["Source"])
    assert project["urls"]["Documentation"].removeprefix(OURS) in LINKS


def test_it_says_first_how_to_install_it() -> None:
    assert README.index("pip install turnkeeper-trio") < README.index("python3 -m venv")


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_a_link_leads_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    text = (ROOT / path).read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert not anchor or anchor in slugs


def ctrl_c_after_12_s(main: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a program that runs another one, and sends it the signal of Ctrl-C after 12 seconds of virtual time."""

    async def program() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(main)
            await anyio.sleep(12)
            signal.raise_signal(signal.SIGINT)

    return program


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_first_program_prints_what_stands_below_it(
    backend: Literal["trio", "asyncio"], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"^```python no-run\n(.*?)^```\n.*?^```text\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert found is not None

    def run_virtually(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        monkeypatch.undo()  # `run` starts trio, too
        run(ctrl_c_after_12_s(main), backend=backend)

    monkeypatch.setattr(trio, "run", run_virtually)
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(found[1], "README.md", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102
    assert output.getvalue() == found[2]
