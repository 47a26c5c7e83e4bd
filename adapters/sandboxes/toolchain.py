"""What commands find on PATH besides the host's /usr: directories that the operator names, or a Python that we make."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from domain.errors import OutOfSpace, SandboxRefused
from domain.sandbox import CHECKS_DIRECTORY, HOME_PATH, TOOLCHAIN_PATH

PACKAGES = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
CHECKS = ("bandit", "stevedore", "PyYAML", "rich", "markdown-it-py", "mdurl", "pygments")
"""In a directory of their own, on no agent's path: what is run over the agent's work."""
LAYOUT = "3"
"""Part of the key: raise it when what is copied changes."""
LEFT_OUT = (
    *("site-packages", "dist-packages", "test", "tests", "idlelib", "idle_test", "tkinter", "turtledemo", "lib2to3"),
    *("*.a", "*.opt-1.pyc", "*.opt-2.pyc", "turtle.py", "EXTERNALLY-MANAGED"),
)
LIBRARIES = ("python3", "ssl", "crypto", "ffi", "sqlite3", "z", "lzma", "bz2", "expat", "uuid", "readline", "tinfo")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Starts the Python beside it, wherever the directory is mounted, without a second process.
SCRIPT = """#!/bin/sh
'''exec' "${0%/*}/python3" "$0" "$@"
' '''
import sys
from pytest import main
if __name__ == "__main__":
    sys.exit(main())
"""
COVERED = ("/tmp", "/workspace", HOME_PATH, "/proc", "/dev", "/run")  # noqa: S108  names, not files of ours
NO_SPACE = ("[Errno 28]", "[Errno 122]")
"""ENOSPC and EDQUOT; shutil tells of several failures as one text."""
BESIDE = b"$ORIGIN/../lib"


@dataclass(frozen=True)
class Toolchain:
    """`places` are (directory on the host, directory inside)."""

    places: tuple[tuple[str, str], ...]

    @classmethod
    async def make(cls, worker_home: Path, named: Sequence[str]) -> "Toolchain":
        if not named:
            return cls(((str(await ensure_toolchain(worker_home)), TOOLCHAIN_PATH),))
        missing = [path for path in named if not await asyncio.to_thread(Path(path).is_dir)]
        if missing:
            raise SandboxRefused(
                f"Toolchain directories that are not there: {', '.join(missing)}.",
                "Correct PERDURE_TOOLCHAIN, or leave it empty for the toolchain that Perdure makes.",
            )
        hidden = [path for path in named if any(Path(path).is_relative_to(place) for place in COVERED)]
        if hidden:
            raise SandboxRefused(
                f"Toolchain directories in places that commands see as their own: {', '.join(hidden)}.",
                f"Move them out of {', '.join(COVERED)}, for instance below /opt.",
            )
        return cls(tuple((path, path) for path in named))

    def arguments(self) -> tuple[str, ...]:
        return tuple(word for source, target in self.places for word in ("--ro-bind", source, target))

    @staticmethod
    def environment(named: Sequence[str]) -> dict[str, str]:
        """What a command starts with, inside."""
        programs = [_programs(path) for path in named] or [f"{TOOLCHAIN_PATH}/bin"]
        return {
            "PATH": ":".join([*programs, SYSTEM_PATH]),
            "HOME": HOME_PATH,
            "USER": "agent",
            "LOGNAME": "agent",
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }


def _programs(directory: str) -> str:
    inner = Path(directory) / "bin"
    return str(inner if inner.is_dir() else directory)


async def ensure_toolchain(worker_home: Path) -> Path:
    """A relocatable copy of this Python with pytest, made once per version; readable by any user. Needs no network."""
    return await asyncio.to_thread(_ensure, worker_home / "toolchain")


def _ensure(home: Path) -> Path:
    versions = [f"{name}={metadata.version(name)}" for name in (*PACKAGES, *CHECKS)]
    key = hashlib.sha256(repr((LAYOUT, sys.version, sys.base_prefix, versions)).encode()).hexdigest()[:16]
    target = home / key
    if target.is_dir():
        return target
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
    try:
        _fill(building)
        building.rename(target)
    except OSError as error:
        if target.is_dir():  # another process was faster
            return target
        if any(mark in str(error) for mark in NO_SPACE):
            raise OutOfSpace(
                f"There is no room for the toolchain in {home}.", "Free 200 MB there, or set PERDURE_TOOLCHAIN."
            ) from error
        raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _fill(top: Path) -> None:
    base = Path(sys.base_prefix)
    for kind in dict.fromkeys(("stdlib", "platstdlib")):
        source = Path(sysconfig.get_path(kind, vars={"base": str(base), "platbase": str(base)}))
        if source.is_dir() and source.is_relative_to(base):
            place = top / source.relative_to(base)
            shutil.copytree(source, place, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
    library = top / Path(sysconfig.get_path("stdlib", vars={"base": str(base)})).relative_to(base)
    packages = library / "site-packages"
    for name in PACKAGES:
        _copy_package(name, packages)
    for name in CHECKS:
        _copy_package(name, top / CHECKS_DIRECTORY)
    if not (library / "dist-packages").exists():  # where Debian's Python looks
        (library / "dist-packages").symlink_to("site-packages")
    _copy_libraries(base, top)
    _copy_programs(base, top)
    _open_for_all(top)
    python = top / "bin" / "python3"
    compiling = [str(python), "-I", "-m", "compileall", "-q", "-j", "0", str(library), str(top / CHECKS_DIRECTORY)]
    # Templates in the library are not all valid Python: the exit code says nothing.
    subprocess.run(compiling, env={}, cwd=top, capture_output=True, check=False)
    _open_for_all(top)


def _copy_package(name: str, packages: Path) -> None:
    for file in metadata.files(name) or ():
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        place = packages / str(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(file.locate()), place)


def _copy_libraries(base: Path, top: Path) -> None:
    """Libraries that came with this Python; those of the system are seen through /usr."""
    if base == Path("/usr"):
        return
    for name in LIBRARIES:
        for source in (base / "lib").glob(f"lib{name}*.so*"):
            place = top / "lib" / source.name
            place.parent.mkdir(exist_ok=True)
            shutil.copy2(source, place, follow_symlinks=False)


def _copy_programs(base: Path, top: Path) -> None:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    programs = top / "bin"
    programs.mkdir()
    program = (base / "bin" / name).resolve().read_bytes()
    # Where the place of libpython is fixed to the installation, it is looked for beside the program instead.
    fixed = f"\0{base}/lib\0".encode()
    if fixed in program and len(fixed) >= len(BESIDE) + 2:
        program = program.replace(fixed, (b"\0" + BESIDE).ljust(len(fixed), b"\0"), 1)
    (programs / name).write_bytes(program)
    for link in ("python", "python3"):
        (programs / link).symlink_to(name)
    for script in ("pytest", "py.test"):
        (programs / script).write_text(SCRIPT)


def _open_for_all(top: Path) -> None:
    for directory, _, files in os.walk(top):
        place = Path(directory)
        place.chmod(0o755)
        for name in files:
            if not (place / name).is_symlink():
                (place / name).chmod(0o755 if place == top / "bin" else 0o644)
