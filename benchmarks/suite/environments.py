"""The environments in which subjects are measured: made here, or the one in use. Needs nothing but Python itself."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
REQUIREMENTS = {"main": "requirements.txt", "apscheduler4": "requirements-apscheduler4.txt"}
COMPILED_NEEDS = ("psutil", "uvloop; sys_platform != 'win32'")
NAMES = (*REQUIREMENTS, "compiled")


def made(work: Path, names: Sequence[str] = NAMES) -> dict[str, str]:
    """Make those that are not there yet, and return the interpreter of each; without a C compiler, none is compiled."""
    wanted = {name: requirements for name, requirements in REQUIREMENTS.items() if name in names}
    pythons = {name: _made(work / name, BENCHMARKS / requirements) for name, requirements in wanted.items()}
    if "compiled" not in names:
        return pythons
    if _can_compile():
        pythons["compiled"] = _compiled(work / "compiled")
    else:
        print("there is no C compiler, or no Python.h: the compiled library is not measured", file=sys.stderr)
    return pythons


def here() -> dict[str, str]:
    """Return the interpreter in use, for all: not every subject is installed in it."""
    return dict.fromkeys(NAMES, sys.executable)


def versions(python: str) -> dict[str, str]:
    """Return the versions of all packages of an environment."""
    command = [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {package["name"]: package["version"] for package in json.loads(listed)}


def _made(folder: Path, requirements: Path) -> str:
    text = f"{BENCHMARKS}\n{requirements.read_text(encoding='utf-8')}"  # what is in one measures this checkout
    return _complete(folder, text, lambda pip: _run([*pip, "install", "--quiet", "-r", requirements.name]))


def _compiled(folder: Path) -> str:
    """Make one with a compiled wheel, again whenever the sources are not those that it was made of.

    It is built from a copy: the compiler leaves its modules beside the sources, and the environment `main` uses those.
    """

    def install(pip: list[str]) -> None:
        copy = folder / "source"
        copy.mkdir()
        for file in filter(Path.is_file, BENCHMARKS.parent.iterdir()):
            shutil.copy(file, copy)
        shutil.copytree(BENCHMARKS.parent / "src", copy / "src", ignore=shutil.ignore_patterns("*.so", "*.pyd"))
        _run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder / "wheels"), str(copy)])
        wheels = [str(wheel) for wheel in (folder / "wheels").glob("*.whl")]
        _run([*pip, "install", "--quiet", *wheels, *COMPILED_NEEDS])

    return _complete(folder, _sources(), install)


def _complete(folder: Path, made_of: str, install: Callable[[list[str]], None]) -> str:
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    if not complete.exists() or complete.read_text(encoding="utf-8") != made_of:
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        install([str(python), "-m", "pip", "--disable-pip-version-check"])
        complete.write_text(made_of, encoding="utf-8")
    return str(python)


def _run(command: list[str]) -> None:
    compiling = {"HATCH_BUILD_HOOK_ENABLE_MYPYC": "1"} if "wheel" in command else {}
    subprocess.run(command, check=True, cwd=BENCHMARKS, env=os.environ | compiling)


def _sources() -> str:
    """Return what the wheel is made of, as a digest."""
    digest = hashlib.sha256(" ".join(COMPILED_NEEDS).encode())
    for file in (BENCHMARKS.parent / "pyproject.toml", *sorted((BENCHMARKS.parent / "src").rglob("*.py"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _can_compile() -> bool:
    compilers = ("cl",) if os.name == "nt" else (os.environ.get("CC", "cc").split()[0], "gcc", "clang")
    return any(map(shutil.which, compilers)) and Path(sysconfig.get_path("include"), "Python.h").exists()
