"""The container's recipe fits the repository, and gives the program the signal, with time enough to obey it."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "examples" / "container" / "Dockerfile").read_text("utf-8")


def test_what_it_copies_exists() -> None:
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    assert copied == ["pyproject.toml", "README.md", "LICENSE", "src", "examples/sigterm_daemon.py"]
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_program_is_process_1() -> None:
    entry = re.search(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)
    assert entry is not None
    assert json.loads(entry[1]) == ["python", "-u", "sigterm_daemon.py"]


def test_the_grace_is_shorter_than_what_a_container_is_given() -> None:
    daemon = (ROOT / "examples" / "sigterm_daemon.py").read_text("utf-8")
    grace = re.search(r"shutdown_grace=(\d+)", daemon)
    given = re.search(r"docker stop -t (\d+)", DOCKERFILE)
    assert grace is not None
    assert given is not None
    assert int(grace[1]) < 10 < int(given[1])
