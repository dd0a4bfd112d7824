"""Any sequence of what users may ask of an engine, against what must hold after each step; see `Control`."""

import pytest
from control_machine import Control
from hypothesis import settings

Control.TestCase.settings = settings(
    settings.get_profile(settings._current_profile), stateful_step_count=40, deadline=None
)


@pytest.mark.timeout(300)
class TestControl(Control.TestCase):  # type: ignore[misc,name-defined]
    """Run it."""
