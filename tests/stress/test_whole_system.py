"""Whole systems in virtual time, drawn from seeds: everything is accounted for, and the same seed is the same story."""

import pytest

pytest.register_assert_rewrite("random_system")
from random_system import System  # noqa: E402
from stress import many  # noqa: E402

from turnkeeper_trio.testing._runs import run  # noqa: E402

pytestmark = pytest.mark.parametrize("backend", ["trio", "asyncio"])


def story(seed, backend):
    system = System(seed)
    run(system.run, backend=backend, seed=seed)
    return system.trace.lines


@pytest.mark.parametrize("part", range(10))
def test_whatever_happens_everything_is_accounted_for(part, backend):
    for seed in range(many(15)):
        try:
            story(f"{part} {seed}", backend)
        except BaseException as exc:
            exc.add_note(f"story({f'{part} {seed}'!r}, {backend!r})")
            raise


def test_the_same_seed_is_the_same_story(backend):
    lengths = []
    for seed in range(many(5)):
        lines = story(seed, backend)
        assert story(seed, backend) == lines
        lengths.append(len(lines))
    assert sum(lengths) > 100
