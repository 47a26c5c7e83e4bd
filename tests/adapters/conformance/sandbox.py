"""What every sandbox does with a command. A test file subclasses this and gives `sandbox` and `folder`."""

import asyncio
import signal
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from adapters.sandboxes.docker import DockerSandbox
from adapters.sandboxes.none import NoSandbox
from domain.errors import ModelMistake
from domain.sandbox import REPORT_BYTES, WORKSPACE_PATH, Command, CommandResult, SandboxLimits, WritableMount

AnySandbox = BubblewrapSandbox | DockerSandbox | NoSandbox


def shell(sandbox: AnySandbox, text: str, **fields: object) -> Command:
    given = {"environment": sandbox.environment, "cwd": "/", "timeout_seconds": 30.0} | fields
    return Command.model_validate({"argv": ("bash", "-c", text), **given})


async def said(sandbox: AnySandbox, text: str, **fields: object) -> str:
    result = await sandbox.run(shell(sandbox, text, **fields))
    assert result.exit_code == 0, result
    return (result.head + result.tail).decode()


def open_descriptors() -> Counter[str]:
    return Counter(str(path.readlink()).split("[")[0] for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


class SandboxConformance:
    @pytest.mark.parametrize("code", [0, 1, 3, 125, 255])
    async def test_the_exit_code_is_the_commands(self, sandbox: AnySandbox, code: int) -> None:
        result = await sandbox.run(shell(sandbox, f"exit {code}"))
        assert (result.exit_code, result.ended) == (code, "exited")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
    async def test_a_signal_is_128_and_its_number(self, sandbox: AnySandbox, number: int) -> None:
        result = await sandbox.run(shell(sandbox, f"kill -{int(number)} $$"))
        assert (result.exit_code, result.ended) == (128 + number, "exited")

    async def test_a_program_that_is_not_there_is_127(self, sandbox: AnySandbox) -> None:
        result = await sandbox.run(Command(argv=("no-such-program",), cwd="/", environment=sandbox.environment))
        assert result.exit_code == 127
        assert b"no-such-program" in result.head

    async def test_a_directory_that_is_not_there_is_an_answer(self, sandbox: AnySandbox) -> None:
        result = await sandbox.run(shell(sandbox, "true", cwd="/no/such/place"))
        assert (result.exit_code, result.head) == (126, b"sandbox: /no/such/place: no such directory\n")

    async def test_what_no_program_can_be_given_is_the_models_mistake(self, sandbox: AnySandbox) -> None:
        for text in ("echo \0", "x" * 3_000_000):
            with pytest.raises(ModelMistake):
                await sandbox.run(shell(sandbox, text))

    async def test_standard_input_is_passed_whole(self, sandbox: AnySandbox) -> None:
        assert await said(sandbox, "cat", stdin=b"a\0b\n") == "a\0b\n"
        assert (await said(sandbox, "wc -c", stdin=b"x" * 3_000_000)).strip() == "3000000"
        assert await said(sandbox, "echo unread", stdin=b"x" * 3_000_000) == "unread\n"
        assert await said(sandbox, "cat; echo end") == "end\n"

    async def test_the_environment_is_exactly_what_is_given(self, sandbox: AnySandbox) -> None:
        given = {"ONE": "a b", "TWO": 'quo"te', "EMPTY": "", "PATH": "/usr/bin:/bin"}
        result = await sandbox.run(Command(argv=("env",), cwd="/", environment=given))
        assert sorted(result.head.decode().splitlines()) == sorted(f"{k}={v}" for k, v in given.items())

    async def test_the_directory_is_the_one_named(self, sandbox: AnySandbox, folder: Path) -> None:
        (folder / "sub").mkdir(mode=0o755)
        (folder / "sub" / "file").write_text("here\n")
        mounts = (WritableMount(source=str(folder), target=WORKSPACE_PATH),)
        assert await said(sandbox, "cat file", cwd=f"{WORKSPACE_PATH}/sub", mounts=mounts) == "here\n"

    async def test_a_writable_mount_keeps_what_is_written(self, sandbox: AnySandbox, folder: Path) -> None:
        mounts = (WritableMount(source=str(folder), target=WORKSPACE_PATH),)
        await said(sandbox, "echo kept >file", cwd=WORKSPACE_PATH, mounts=mounts)
        assert (folder / "file").read_text() == "kept\n"

    async def test_output_and_error_are_one_stream_in_order(self, sandbox: AnySandbox) -> None:
        assert await said(sandbox, "echo 1; echo 2 >&2; echo 3") == "1\n2\n3\n"

    async def test_error_can_be_kept_apart(self, sandbox: AnySandbox) -> None:
        result = await sandbox.run(shell(sandbox, "echo out; echo err >&2", split_error=True))
        assert (result.head, result.error, result.output_bytes) == (b"out\n", b"err\n", 4)

    async def test_a_report_is_apart_from_the_output_and_capped(self, sandbox: AnySandbox) -> None:
        result = await sandbox.run(shell(sandbox, "echo out; echo err >&2; echo told >&3", report=True))
        assert (result.head, result.report) == (b"out\nerr\n", b"told\n")
        flood = "head -c 1000000 /dev/zero >&3; echo out"
        result = await sandbox.run(shell(sandbox, flood, report=True))
        assert (result.head, len(result.report)) == (b"out\n", REPORT_BYTES)

    async def test_no_other_descriptor_is_open(self, sandbox: AnySandbox) -> None:
        text = "for n in $(seq 0 99); do test -e /proc/$$/fd/$n && echo $n; done; true"
        assert (await said(sandbox, text)).split() == ["0", "1", "2"]
        assert (await said(sandbox, text, report=True)).split() == ["0", "1", "2", "3"]

    async def test_much_output_is_cut_in_bounded_memory_and_kept_in_a_file(
        self, sandbox: AnySandbox, folder: Path
    ) -> None:
        text = "echo first; head -c 20000000 /dev/zero | tr '\\0' x; echo last"
        tracemalloc.start()
        result = await sandbox.run(shell(sandbox, text, keep_bytes=1000, output_path=str(folder / "log" / "whole")))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (result.exit_code, result.cut, result.output_bytes) == (0, True, 20_000_011)
        assert (len(result.head), len(result.tail)) == (500, 500)
        assert result.head.startswith(b"first\nxxx")
        assert result.tail.endswith(b"xxxlast\n")
        assert (folder / "log" / "whole").stat().st_size == 20_000_011
        assert peak < 3_000_000

    async def test_too_much_output_ends_the_command(self, sandbox: AnySandbox, folder: Path) -> None:
        limits = SandboxLimits(output_bytes=1_000_000)
        path = folder / "whole"
        result = await sandbox.run(shell(sandbox, "cat /dev/zero", limits=limits, output_path=str(path)))
        assert (result.ended, result.exit_code) == ("output_limit", 137)
        assert path.stat().st_size == 1_000_000

    async def test_output_is_seen_while_it_comes(self, sandbox: AnySandbox) -> None:
        seen: list[tuple[float, bytes]] = []

        async def show(chunk: bytes) -> None:
            seen.append((time.monotonic(), chunk))

        result = await sandbox.run(shell(sandbox, "echo one; sleep 0.5; echo two"), show)
        assert b"".join(chunk for _, chunk in seen) == result.head == b"one\ntwo\n"
        assert seen[-1][0] - seen[0][0] > 0.3

    async def test_a_viewer_that_fails_does_not_end_the_command(self, sandbox: AnySandbox) -> None:
        async def show(chunk: bytes) -> None:
            raise RuntimeError("gone")

        assert (await sandbox.run(shell(sandbox, "echo one"), show)).head == b"one\n"

    async def test_a_timeout_ends_children_that_left_the_session(self, sandbox: AnySandbox, folder: Path) -> None:
        mounts = (WritableMount(source=str(folder), target=WORKSPACE_PATH),)
        text = "setsid sh -c 'sleep 2.5; echo late >late' & trap '' TERM; echo on; wait; sleep 5"
        began = time.monotonic()
        command = shell(sandbox, text, timeout_seconds=1.5, cwd=WORKSPACE_PATH, mounts=mounts)
        result = await sandbox.run(command)
        assert (result.ended, result.exit_code, result.head) == ("timed_out", 137, b"on\n")
        assert 1.5 <= result.seconds <= time.monotonic() - began < 5
        await asyncio.sleep(1.5)
        assert not (folder / "late").exists()

    async def test_the_end_of_a_command_is_the_end_of_its_children(self, sandbox: AnySandbox, folder: Path) -> None:
        mounts = (WritableMount(source=str(folder), target=WORKSPACE_PATH),)
        text = "sh -c 'sleep 2; echo late >late' & echo done"
        began = time.monotonic()
        assert await said(sandbox, text, cwd=WORKSPACE_PATH, mounts=mounts) == "done\n"
        assert time.monotonic() - began < 1.9
        await asyncio.sleep(2.2)
        assert not (folder / "late").exists()

    async def test_a_cancelled_command_is_dead_when_the_call_returns(self, sandbox: AnySandbox, folder: Path) -> None:
        mounts = (WritableMount(source=str(folder), target=WORKSPACE_PATH),)
        text = "setsid sh -c 'while true; do date +%N >tick; done' & wait"
        command = shell(sandbox, text, cwd=WORKSPACE_PATH, mounts=mounts, name="cancelled")
        task = asyncio.create_task(sandbox.run(command))
        for _ in range(500):
            if (folder / "tick").exists():
                break
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        last = (folder / "tick").read_bytes()
        await asyncio.sleep(0.2)
        assert (folder / "tick").read_bytes() == last

    async def test_kill_ends_commands_by_the_beginning_of_their_names(self, sandbox: AnySandbox) -> None:
        names = ("run-1/a-1", "run-1/a-2", "run-2/a-1")
        tasks = [asyncio.create_task(sandbox.run(shell(sandbox, "sleep 1.5", name=name))) for name in names]
        await asyncio.sleep(0.5)
        await sandbox.kill("run-1/")
        results: list[CommandResult] = await asyncio.gather(*tasks)
        assert [result.ended for result in results] == ["cancelled", "cancelled", "exited"]

    async def test_a_file_cannot_grow_over_its_limit(self, sandbox: AnySandbox, folder: Path) -> None:
        mounts = (WritableMount(source=str(folder), target=WORKSPACE_PATH),)
        limits = SandboxLimits(file_bytes=1_000_000)
        text = "head -c 3000000 /dev/zero >big"
        result = await sandbox.run(shell(sandbox, text, cwd=WORKSPACE_PATH, mounts=mounts, limits=limits))
        assert result.exit_code != 0
        assert (folder / "big").stat().st_size <= 1_000_000

    async def test_fifty_run_at_once(self, sandbox: AnySandbox) -> None:
        numbers = range(50)
        texts = await asyncio.gather(*(said(sandbox, f"sleep 0.5; echo {n}", name=f"many-{n}") for n in numbers))
        assert texts == [f"{n}\n" for n in numbers]

    async def test_commands_that_share_a_name_do_not_end_each_other(self, sandbox: AnySandbox) -> None:
        texts = await asyncio.gather(*(said(sandbox, f"sleep {n / 5}; echo {n}") for n in range(4)))
        assert texts == [f"{n}\n" for n in range(4)]

    async def test_nothing_is_left_open(self, sandbox: AnySandbox) -> None:
        await said(sandbox, "true")
        before = open_descriptors()
        for _ in range(5):
            await said(sandbox, "echo >&3", report=True)
            await sandbox.run(shell(sandbox, "true", cwd="/no/such/place"))
            await sandbox.run(shell(sandbox, "sleep 9", timeout_seconds=0.05))
            with pytest.raises(ModelMistake):
                await sandbox.run(shell(sandbox, "echo \0"))
        await asyncio.sleep(0.1)
        left = open_descriptors() - before
        assert not left, left
