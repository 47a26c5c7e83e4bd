"""Whatever a model says and its commands leave behind: a result that it can work with, and a run that ends."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import Client

from adapters.blobs import ObjectBlobs
from adapters.models.scripted import Fault
from tests.fixtures.git_server import git
from tests.fixtures.stack import Process, Stack
from tests.workflows.sayings import bash, call, card, completed, decide, failed, finish, result, says, script, submit

LONG = 20_000_000
"""Bytes of an output that no model is to read."""
LATIN = "caf\\351.txt"
"""A name in Latin-1, as printf takes it."""


@pytest.mark.parametrize("provider", ["scripted:", "scripted:anthropic/"])
async def test_a_call_that_cannot_be_read_is_answered_with_what_is_wrong(
    stack: Stack, temporal_client: Client, provider: str
) -> None:
    model = script(
        stack,
        "clumsy",
        says(call("bash", '{"command": "echo'), text="I begin."),
        says(call("bash", {"cmd": "ls", "timeout_seconds": "soon"}), expect="not valid JSON"),
        says(bash("echo fine"), expect=("command: it is required", "cmd: there is no such field")),
        says(call("shell", {"command": "ls"}, unknown=True), call("bash", "[1]"), call("bash", "")),
        says(bash("echo fine again"), expect=("no tool 'shell'", "JSON object", "command: it is required")),
        says(call("write", {"path": "big.txt", "content": "x" * 1_100_000})),
        says(bash(": " + "y" * 150_000), expect=("1,048,576 are taken", "several smaller calls")),
        says(bash("printf 'a\\0b'"), call("read", {"path": "a\0b"}), expect="longer than 100,000 bytes"),
        says(call("propose_plan", {"summary": "?", "steps": []}, unknown=True), expect="NUL"),
        says(bash("echo on"), expect="not offered to you"),
        says(*(call(name, {}, unknown=True) for name in ("", "a b\0", "n" * 200, "<|bash|>"))),
        *finish(("no tool 'unnamed'", "no tool 'a_b_'", "no tool '__bash__'")),
    )
    run_id = await submit(stack, model.replace("scripted:", provider))
    run = await completed(stack, temporal_client, run_id)
    assert run["turn"] == 13
    wrong = [one["event"]["result"]["is_error"] for one in await stack.events(run_id, "tool_returned")]
    assert wrong.count(True) == 13


async def test_a_model_that_only_talks_is_reminded_and_then_a_person_is_asked(
    stack: Stack, temporal_client: Client
) -> None:
    run_id = await submit(stack, script(stack, "talker", says(text="Let me think about it.", repeat={"turns": 50})))
    assert (await stack.until(run_id, "stuck"))["turn"] == 6
    texts = [one["event"]["text"] for one in await stack.events(run_id, "note_added")]
    assert any("called no tool" in text for text in texts)
    assert any("round in circles" in text for text in texts)
    await decide(stack, run_id, decision="reject", reason="Enough.")
    assert "stuck" in (await failed(stack, temporal_client, run_id))["summary"]


async def test_a_model_that_answers_nonsense_for_ever_fails_the_run(stack: Stack, temporal_client: Client) -> None:
    mute = script(stack, "mute", says(repeat={"turns": 50}))
    garbled = script(stack, "garbled", *finish())
    stack.scripted.fault(Fault(kind="nonsense", times=50, model="garbled"))
    runs = [await submit(stack, model) for model in (mute, garbled)]
    for run_id, said in zip(runs, ("the answer is empty", "the answer is not JSON"), strict=True):
        ended = await failed(stack, temporal_client, run_id)
        assert said in ended["summary"]
        assert "5 times in a row" in ended["summary"]
        assert len(await stack.events(run_id, "turn_refused")) == 4


async def test_a_model_that_goes_in_circles_goes_on_as_a_person_says(stack: Stack, temporal_client: Client) -> None:
    again = bash("cat nothing.txt")
    made = bash("echo made > nothing.txt")
    model = script(
        stack,
        "circling",
        says(again, repeat={"turns": 8}),
        says(made, expect="Make the file first"),
        says(again),
        *finish("made"),
    )
    run_id = await submit(stack, model)
    await stack.until(run_id, "stuck")
    assert "four times" in (await card(stack, run_id))["title"]
    await decide(stack, run_id, decision="approve", reason="Make the file first.")
    run = await completed(stack, temporal_client, run_id)
    assert run["turn"] == 12


async def test_a_huge_output_is_cut_for_the_model_and_kept_whole(stack: Stack, temporal_client: Client) -> None:
    printing = f"head -c {LONG} /dev/zero | tr '\\0' x"
    model = script(
        stack,
        "loud",
        says(bash(printing)),
        says(bash("wc -c < /outputs/1-0; cat /outputs/1-0 > /dev/null && echo readable"), expect="bytes left out here"),
        says(bash("head -c 3000 /dev/urandom; printf '\\033[31mred\\033[0m'"), expect=(f"{LONG}", "readable")),
        *finish("\N{REPLACEMENT CHARACTER}"),
    )
    run_id = await submit(stack, model)
    await completed(stack, temporal_client, run_id)
    told = await result(stack, run_id, "turn/1/call/0")
    assert len(told["text"]) < 12_000
    assert f"{LONG:,}" in told["text"]
    blobs = ObjectBlobs(f"file://{stack.environment['PERDURE_HOME']}/blobs")
    kept = await blobs.get(told["output_ref"])
    assert hashlib.sha256(kept).digest() == hashlib.sha256(b"x" * LONG).digest()
    assert "\x1b" not in (await result(stack, run_id, "turn/3/call/0"))["text"]
    shown = Path(stack.environment["PERDURE_WORKER_HOME"]) / "outputs" / run_id
    for _ in range(100):
        if not await asyncio.to_thread(shown.exists):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the outputs of an ended run still take room on its host")


async def test_names_and_contents_that_are_no_text_come_through_to_the_branch(
    stack: Stack, temporal_client: Client
) -> None:
    name = f'"$(printf "{LATIN}")"'
    model = script(
        stack,
        "latin",
        says(bash(f"printf 'gr\\374n\\n' > {name}; printf 'a\\0b' > blob.bin; ln -s {name} link; mkfifo pipe")),
        says(call("read", {"path": "blob.bin"}), call("read", {"path": "old.bin"}), call("list", {"path": "."})),
        says(call("search", {"pattern": "gr"}), bash("ls"), expect=("is a binary file", "caf")),
        says(call("read", {"path": "link"})),
        says(call("edit", {"path": "link", "old": "gr", "new": "br"}), expect="not UTF-8"),
        *finish(),
    )
    url = stack.repository("latin", {"a.txt": "a\n", "old.bin": b"\0\xff\xfe" * 100})
    run_id = await submit(stack, model, repository={"url": url}, verify=[f"test -f {name}"])
    run = await completed(stack, temporal_client, run_id)
    branch = run["result"]["work"]["branch"]
    bare = stack.remote.root / "latin.git"
    names = git(bare, "-c", "core.quotePath=false", "diff", "--name-only", "-z", f"main..{branch}").split("\0")
    assert names[:-1] == ["blob.bin", "caf\udce9.txt", "link"]
    listing = await stack.get(f"/v1/runs/{run_id}/files")
    (entry,) = [one for one in listing["items"] if "caf" in one["path"]]
    content = await stack.http.get(entry["url"].removeprefix("http://127.0.0.1:8080"))
    assert content.content == b"gr\xfcn\n"
    for face in ("diff", "events", "conversation", "snapshots", ""):
        answer = await stack.http.get(f"/v1/runs/{run_id}/{face}".rstrip("/"))
        assert answer.status_code == 200, (face, answer.text)
    assert "caf" in (await stack.http.get(f"/v1/runs/{run_id}/diff")).text


async def test_a_full_disk_costs_the_call_and_not_the_run(stack: Stack, temporal_client: Client) -> None:
    """One worker with a small disk for its home and another for the blobs; what fits again is done again."""
    fill = f"head -c {LONG * 5} /dev/urandom > filled"
    model = script(
        stack,
        "hungry",
        says(bash("echo before > kept.txt")),
        says(bash(f"{fill}; ls -l filled")),
        says(bash("ls; head -c 12000000 /dev/urandom > packed"), expect="No space left"),
        says(bash("ls; echo after >> kept.txt"), expect="full"),
        says(bash("cat kept.txt"), expect="kept.txt"),
        *finish("before\nafter"),
    )
    vast = stack.repository("vast", {"vast.bin": os.urandom(40_000_000)})
    async with small_disks(stack):
        cloning = await submit(stack, model, repository={"url": vast})
        assert "disk is full" in (await stack.until(cloning, "storage"))["waiting_reason"]
        await stack.http.post(f"/v1/runs/{cloning}/cancel", json={})
        await stack.until(cloning, "cancelled")
        run_id = await submit(stack, model)
        await completed(stack, temporal_client, run_id)
    await stack.worker.start()
    small = script(stack, "small", says(bash("echo fits")), *finish("fits"))
    await completed(stack, temporal_client, await submit(stack, small))


@asynccontextmanager
async def small_disks(stack: Stack) -> AsyncGenerator[None]:
    """In a mount namespace of the worker's own, so that nothing is left mounted; works for every account."""
    await stack.worker.end()
    home, blobs = stack.home / "small-worker", stack.home / "small-blobs"
    mounts: list[str] = []
    for path, size in ((home, "60m"), (blobs, "10m")):
        path.mkdir()
        mounts.append(f"mount -t tmpfs -o size={size},mode=711 none {path}")
    toolchain = Path(stack.environment["PERDURE_WORKER_HOME"]) / "toolchain"
    mounts.append(f"mkdir -m 711 {home}/toolchain && mount --bind {toolchain} {home}/toolchain")
    lowered = "exec setpriv --inh-caps=-all --ambient-caps=-all" if not is_root() else "exec"
    serve = f"{lowered} {sys.executable} worker.py"
    own = ["unshare", "--mount"] if is_root() else ["unshare", "--mount", "--map-current-user", "--keep-caps"]
    environment = stack.environment | {"PERDURE_WORKER_HOME": str(home), "PERDURE_BLOBS_URL": f"file://{blobs}"}
    worker = Process([*own, "sh", "-c", " && ".join([*mounts, serve])], environment, stack.home / "small.log")
    await worker.start()
    try:
        yield
    finally:
        await worker.end()


def is_root() -> bool:
    return Path("/proc/self").stat().st_uid == 0
