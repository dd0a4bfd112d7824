"""Whole systems in virtual time, drawn from seeds: everything is accounted for, and the same seed is the same story."""

from datetime import timedelta

import pytest

pytest.register_assert_rewrite("random_system")
from random_system import System  # noqa: E402
from stress import many  # noqa: E402

from turnkeeper_trio.testing._run import run  # noqa: E402

pytestmark = pytest.mark.parametrize("backend", ["trio", "asyncio"])


def story(name, backend, seed):
    system = System(name)
    # Commanders give up in the end, and so do jobs: what takes longer than this waits for what never comes.
    run(system.run, backend=backend, seed=seed, horizon=timedelta(days=1))
    return system.trace.lines


@pytest.mark.parametrize("part", range(10))
def test_whatever_happens_everything_is_accounted_for(part, backend):
    for seed in range(many(15)):
        try:
            story(f"{part} {seed}", backend, seed)
        except BaseException as exc:
            exc.add_note(f"story({f'{part} {seed}'!r}, {backend!r}, {seed})")
            raise


def test_the_same_seed_is_the_same_story(backend):
    lengths = []
    for seed in range(many(5)):
        lines = story(str(seed), backend, seed)
        assert story(str(seed), backend, seed) == lines
        lengths.append(len(lines))
    assert sum(lengths) > 100
