"""The tests that docs/testing.md shows are run: one fails, with the words that stand there, and the others pass."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import turnkeeper_trio

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")


def test_the_tests_on_the_page_do_what_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "test_page.py").write_text("\n\n".join(block for block in blocks if "pytest" in block), "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers --strict-config\n", "utf-8")
    installed = entry_points(group="pytest11", name="turnkeeper_trio")
    command = [sys.executable, "-m", "pytest", "-W", "error", "-pno:asyncio", "-v"]
    command += [] if installed else ["-p", "turnkeeper_trio.pytest_plugin"]
    source = str(Path(turnkeeper_trio.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False, text=True, timeout=100)  # noqa: S603
    said = done.stdout
    failed = set(re.findall(r"::(\w+)\[\w+\] FAILED", said))
    passed = re.findall(r"::(\w+)\[\w+\] PASSED", said)
    assert failed == {"test_the_report_is_sent_at_nine"}, said
    assert len(passed) == 6, said
    shown = re.search(r"```text\n(the run log.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() in re.sub(r"^E   (    AssertionError: |    )", "", said, flags=re.MULTILINE), said
