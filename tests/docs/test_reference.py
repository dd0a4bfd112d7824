"""The reference has an entry for every public name."""

import re
from enum import Enum
from inspect import signature
from pathlib import Path
from types import ModuleType

import pytest

import turnkeeper_trio
import turnkeeper_trio.schedules
import turnkeeper_trio.testing
from turnkeeper_trio import RecurringJobRequest

DOCS = Path(__file__).parents[2] / "docs"
ENTRY = re.compile(r"^ *\.\. auto(?:class|data|exception|function):: (?:[\w.]+\.)?(\w+)", re.MULTILINE)


@pytest.mark.parametrize(
    "module", [turnkeeper_trio, turnkeeper_trio.schedules, turnkeeper_trio.testing], ids=lambda module: module.__name__
)
def test_every_public_name_has_an_entry(module: ModuleType) -> None:
    entries = {name for page in DOCS.glob("**/*.md") for name in ENTRY.findall(page.read_text("utf-8"))}
    assert set(getattr(module, "__all__", ())) - entries == set()


def test_the_signature_of_a_request_is_shown() -> None:
    """It is written by hand, because `__new__` hides it from `inspect`."""
    shown = []
    for parameter in list(signature(RecurringJobRequest.__init__).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        default = parameter.default
        value = f"{type(default).__name__}.{default.name}" if isinstance(default, Enum) else repr(default)
        shown.append(parameter.name if default is parameter.empty else f"{parameter.name}={value}")
    page = (DOCS / "reference" / "jobs.md").read_text("utf-8")
    assert f".. autoclass:: RecurringJobRequest({', '.join(shown)})\n" in page
