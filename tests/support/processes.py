"""What a program prints in Pythons of its own."""

import os
import subprocess
import sys
from pathlib import Path


def outputs(program: str, hash_seeds: tuple[str, ...] = ("1", "2", "3")) -> set[str]:
    """Return what a program prints in a new process for each seed of hashes: one text, if it depends on none.

    It finds the modules that the tests share.
    """
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return {
        subprocess.run(  # noqa: S603  (the program is the test's own)
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        ).stdout
        for seed in hash_seeds
    }
