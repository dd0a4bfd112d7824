"""What a function takes is read off its code object: held against the call itself, for functions of every form."""

import random

import pytest

from turnkeeper_trio.jobs._calls import check_arguments


def made(rng: random.Random) -> tuple[str, object]:
    """Return a function of a random form that does nothing, and its signature as text."""
    names = iter("abcdefgh")
    with_default = False

    def argument() -> str:
        nonlocal with_default
        with_default = with_default or rng.random() < 0.4
        return next(names) + ("=0" if with_default else "")

    only_by_place = [argument() for _ in range(rng.randint(0, 2))]
    ordinary = [argument() for _ in range(rng.randint(0, 2))]
    rest = ["*rest"] if rng.random() < 0.3 else []
    only_by_name = [next(names) + ("=0" if rng.random() < 0.5 else "") for _ in range(rng.randint(0, 2))]
    parts = [*only_by_place, *(["/"] if only_by_place else []), *ordinary, *rest]
    parts += [*(["*"] if only_by_name and not rest else []), *only_by_name]
    signature = ", ".join([*parts, *(["**more"] if rng.random() < 0.3 else [])])
    space: dict[str, object] = {}
    exec(f"def function({signature}): ...", space)  # noqa: S102  (of the names above, and no others)
    return signature, space["function"]


@pytest.mark.parametrize("seed", range(6))
def test_a_call_is_refused_where_python_refuses_it(seed: int) -> None:
    rng = random.Random(seed)
    taken = refused = 0
    for _ in range(200):
        signature, function = made(rng)
        for _ in range(5):
            args = (0,) * rng.randint(0, 5)
            kwargs = dict.fromkeys(rng.sample("abcdefghz", rng.randint(0, 4)), 0)
            about = f"({signature}) called with {args} and {kwargs}"
            try:
                function(*args, **kwargs)  # type: ignore[operator]
            except TypeError:
                refused += 1
                with pytest.raises(TypeError, match=r"function\(\) does not take these arguments"):
                    check_arguments(function, args, kwargs)
                    pytest.fail(about)
            else:
                taken += 1
                check_arguments(function, args, kwargs)
    assert taken
    assert refused
