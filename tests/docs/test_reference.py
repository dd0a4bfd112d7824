"""The reference has an entry for every public name."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import turnkeeper_trio
import turnkeeper_trio.schedules
import turnkeeper_trio.testing

DOCS = Path(__file__).parents[2] / "docs"
ENTRY = re.compile(r"^ *\.\. auto(?:class|data|exception|function):: (?:[\w.]+\.)?(\w+)", re.MULTILINE)


@pytest.mark.parametrize(
    "module", [turnkeeper_trio, turnkeeper_trio.schedules, turnkeeper_trio.testing], ids=lambda module: module.__name__
)
def test_every_public_name_has_an_entry(module: ModuleType) -> None:
    entries = {name for page in DOCS.glob("**/*.md") for name in ENTRY.findall(page.read_text("utf-8"))}
    assert set(getattr(module, "__all__", ())) - entries == set()
