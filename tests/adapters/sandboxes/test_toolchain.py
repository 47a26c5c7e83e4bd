"""A Python and pytest of our making, and directories that the operator names instead."""

import os
from pathlib import Path

import pytest

from adapters.sandboxes import make_sandbox
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.toolchain import ensure_toolchain
from domain.errors import SandboxRefused
from domain.sandbox import TOOLCHAIN_PATH
from tests.adapters.conformance.sandbox import said
from tests.adapters.sandboxes.conftest import settings_for

TEST_FILE = """
import ctypes, json, lzma, ssl, sqlite3, zlib

def test_add(tmp_path):
    (tmp_path / "x").write_text("1")
    assert [1, 2] == [1, 2]
"""


async def test_pytest_runs_offline_in_the_sandbox(bubblewrap: BubblewrapSandbox) -> None:
    text = "cat >test_x.py; pytest -q 2>&1; python -m pytest -q"
    seen = await said(bubblewrap, text, stdin=TEST_FILE.encode(), cwd="/tmp")
    assert seen.count("1 passed") == 2


async def test_python_is_the_one_of_the_toolchain_and_complete(bubblewrap: BubblewrapSandbox) -> None:
    text = "command -v python python3 pytest; python3 -c 'import sys; print(sys.prefix)'"
    seen = (await said(bubblewrap, text)).split()
    assert seen == [f"{TOOLCHAIN_PATH}/bin/{name}" for name in ("python", "python3", "pytest")] + [TOOLCHAIN_PATH]


async def test_a_virtual_environment_can_be_made_offline(bubblewrap: BubblewrapSandbox) -> None:
    text = "python3 -m venv /tmp/v && /tmp/v/bin/python -c 'import sys; print(sys.prefix)' && /tmp/v/bin/pip --version"
    seen = await said(bubblewrap, text)
    assert seen.startswith("/tmp/v\npip ")


def closed_files(top: Path) -> list[Path]:
    places = [Path(directory, name) for directory, _, files in os.walk(top) for name in (".", *files)]
    return [path for path in places if path.stat().st_mode & 0o444 != 0o444]


async def test_it_is_made_once_and_readable_by_anybody(home: Path) -> None:
    made = await ensure_toolchain(home)
    before = made.stat().st_mtime_ns
    assert await ensure_toolchain(home) == made
    assert made.stat().st_mtime_ns == before
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert closed_files(made) == []


async def test_nothing_is_compiled_again_in_the_sandbox(bubblewrap: BubblewrapSandbox) -> None:
    text = "python3 -v -c 'import asyncio, _pytest.assertion, json' 2>&1 | grep -c 'could not create\\|wrote' || true"
    assert await said(bubblewrap, text) == "0\n"


async def test_named_directories_replace_it(home: Path) -> None:
    sandbox = make_sandbox(settings_for("bubblewrap", home, "/usr/lib"))
    assert sandbox.environment["PATH"].startswith("/usr/lib:")
    assert await said(sandbox, f"test -e {TOOLCHAIN_PATH} || echo none") == "none\n"


async def test_a_named_directory_that_commands_would_not_see_is_refused(home: Path, folder: Path) -> None:
    with pytest.raises(SandboxRefused, match=str(folder)):
        await make_sandbox(settings_for("bubblewrap", home, str(folder))).prepare()


async def test_a_named_directory_that_is_not_there_is_refused(home: Path) -> None:
    with pytest.raises(SandboxRefused, match="/no/such/place"):
        await make_sandbox(settings_for("bubblewrap", home, "/no/such/place")).prepare()


def test_a_sandbox_that_does_not_exist_is_refused(home: Path) -> None:
    with pytest.raises(SandboxRefused, match="dockr"):
        make_sandbox(settings_for("dockr", home))
