"""Does a kill lose anything? A process that submits and runs jobs is killed again and again, at random.

Each process opens the file of the one before, goes on where that was killed, and tells what it sees in a log: what was
accepted, which bodies began and ended, what callers were answered. Some are killed before the file is open, and some
while they shut down. After each kill the log is compared with a copy of the file. A last process finishes everything,
and all is compared again: what must be 0 is shown in the table, and exits with 1 if it is not.

Usage: ``python -m benchmarks.kill9 --kills 1000 [--backend trio] [--durability normal] [--seed 7] [--folder DIR]``
A kill takes about half a second. It needs a system that has ``fork``.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from .evidence import KINDS
from .rounds import HarnessError, Rounds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill9")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--backend", choices=["asyncio", "trio", "both"], default="both")
    parser.add_argument("--durability", choices=["full", "normal"], default="full")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="keep file and log there")
    options = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if options.seed is None else options.seed
    sound = True
    for backend in ("asyncio", "trio") if options.backend == "both" else (options.backend,):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) if options.folder is None else options.folder / backend
            folder.mkdir(parents=True, exist_ok=True)
            sound = run(Rounds(folder, backend, options.durability, seed), options.kills) and sound
    return 0 if sound else 1


def run(rounds: Rounds, kills: int) -> bool:
    """Kill so many processes, print the table, and return whether nothing was wrong."""
    began = time.monotonic()
    try:
        while rounds.kills < kills:
            rounds.kill()
        numbers = rounds.finish()
    except HarnessError as exc:
        print(f"process {rounds.lives}, back end {rounds.backend}, seed {rounds.seed}:\n{exc}")
        print(*rounds.faults.texts, sep="\n")
        return False
    took = time.monotonic() - began
    print(f"\n{rounds.backend}, {rounds.durability}, seed {rounds.seed}: {kills} kills in {took:.0f} s,", end=" ")
    print(f"{rounds.early} before the file was open, {rounds.leaving} during a shutdown ({rounds.gone} had left)")
    print(", ".join(f"{name} {number:,}" for name, number in numbers.items()))
    print("".join(f"| {kind} | {rounds.faults.counts[kind]} |\n" for kind in KINDS), end="")
    print(*rounds.faults.texts, sep="\n", flush=True)
    return not rounds.faults.texts


if __name__ == "__main__":
    sys.exit(main())
