"""A real library with a real bug, from a task over HTTP to a tested branch at a git remote."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.embedded.temporal import find_temporal
from tests.fixtures.git_server import git
from tests.fixtures.sample_library import SampleLibrary
from tests.fixtures.stack import Stack

SECONDS = 120.0
BUG = "501901 == 501902"
# What upstream tested when it mended this, by hand: no word of it ever reaches the agent.
UPSTREAM_TEST = """
from datetime import timezone

import parse
import pytest


@pytest.mark.parametrize("stamp", ["2023-10-14T15:09:08.501902Z", "2023-10-14T15:09:08.999999Z"])
def test_precision(stamp):
    result = parse.parse("{:ti}", stamp)
    assert result[0].isoformat() == stamp.replace("Z", "+00:00")
    assert result[0].tzinfo.utcoffset(None) == timezone.utc.utcoffset(None)
"""


def script(library: SampleLibrary) -> str:
    """Plans after a look, reproduces, mends, tests, and finishes."""
    finish = call("finish", summary="Fractions of seconds keep every digit; a float lost the last one.")
    mend = call("edit", path=library.file, old=library.broken, new=library.mended)
    steps = [{"title": "Reproduce it with a test"}, {"title": "Mend the conversion"}, {"title": "Run all tests"}]
    planning = [
        {"calls": [call("search", pattern="1000000", path=".")]},
        {"expect": library.file, "calls": [call("propose_plan", summary="Keep every digit", steps=steps)]},
    ]
    working = [
        {"text": "I reproduce it first.", "calls": [call("write", path=library.test_file, content=library.test)]},
        {"calls": [call("bash", command=library.verify)]},
        {"expect": [BUG, "1 failed"], "calls": [mend]},
        {"calls": [call("bash", command=library.verify)]},
        {"expect": "passed", "calls": [finish]},
        {"calls": [finish]},
    ]
    conversations = [
        {"when": {"tool": "propose_plan"}, "turns": planning},
        {"when": {"tool": "bash"}, "turns": working},
    ]
    return yaml.safe_dump({"about": "Mends parse.", "conversations": conversations})


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


async def until_planned(stack: Stack, library: SampleLibrary, name: str) -> tuple[str, dict[str, Any]]:
    """Sends the task; the run and its plan's card, once it waits for a person."""
    stack.scripted.add("parse", script(library))
    stack.remote.add(f"{name}.git", library.path)
    run_id = await stack.submit(
        task=library.task,
        repository={"url": stack.remote.url(f"{name}.git"), "ref": "main"},
        model="scripted:parse",
        plan_approval=True,
        verify=[library.verify],
    )
    await stack.until(run_id, "plan_approval", seconds=SECONDS)
    cards = (await stack.get("/v1/approvals?status=pending"))["items"]
    (card,) = [one for one in cards if one["run_id"] == run_id]
    assert card["subject"]["summary"] == "Keep every digit"
    assert card["subject"]["steps"][0]["title"] == "Reproduce it with a test"
    return run_id, card


async def check(stack: Stack, library: SampleLibrary, name: str, run_id: str, directory: Path) -> None:
    """What came out holds for whoever clones it."""
    run = await stack.until(run_id, "completed", seconds=SECONDS)
    result = run["result"]
    assert result["verified"] is True
    assert result["pushed"] is True
    bare, branch = stack.remote.root / f"{name}.git", result["work"]["branch"]
    assert git(bare, "rev-parse", branch) == result["work"]["commit"]
    assert git(bare, "diff", "--name-only", f"main..{branch}").split() == [library.file, library.test_file]
    assert library.mended in git(bare, "show", f"{branch}:{library.file}")
    assert stack.remote.pushes == 1
    assert await suite(bare, "main", directory / "before") != 0
    assert await suite(bare, branch, directory / "after") == 0


async def suite(bare: Path, ref: str, tree: Path) -> int | None:
    """The exit status of upstream's test and the library's own ones on a fresh clone."""
    git(bare, "clone", "--quiet", "--branch", ref, str(bare), str(tree))
    (tree / "tests/test_upstream.py").write_text(UPSTREAM_TEST)
    status, said = await told([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], cwd=tree)
    assert "test_upstream" in said or status == 0, said
    return status


@pytest.mark.timeout(300)
async def test_a_library_is_mended_after_its_plan_was_approved_over_http(
    stack: Stack, sample_library: SampleLibrary, tmp_path: Path
) -> None:
    run_id, card = await until_planned(stack, sample_library, "parse")
    path = f"/v1/runs/{run_id}/approvals/{card['approval_id']}"
    answer = await stack.http.post(path, json={"decision": "approve"})
    assert answer.status_code == 200, answer.text
    await check(stack, sample_library, "parse", run_id, tmp_path)
    failing, passing = [
        event["event"]["result"]["exit_code"]
        for event in await stack.events(run_id, "tool_returned")
        if event["event"]["result"].get("exit_code") is not None and event["key"].startswith("turn/")
    ]
    assert (failing, passing) == (1, 0)


@pytest.mark.timeout(300)
async def test_a_library_is_mended_after_its_plan_was_approved_by_temporals_own_command(
    stack: Stack, sample_library: SampleLibrary, tmp_path: Path
) -> None:
    run_id, card = await until_planned(stack, sample_library, "parse-2")
    decision = json.dumps({"approval_id": card["approval_id"], "decision": "approve"})
    await temporal(stack, "signal", "--workflow-id", f"run/{run_id}", "--name", "decide_approval", "--input", decision)
    await check(stack, sample_library, "parse-2", run_id, tmp_path)
    (decided,) = await stack.events(run_id, "approval_decided")
    assert decided["event"]["decision"]["by"] == "temporal (unverified)"
    described = await temporal(stack, "describe", "--workflow-id", f"run/{run_id}", "--output", "json")
    assert "parse() loses precision in timestamps" in described


async def temporal(stack: Stack, *arguments: str) -> str:
    """`temporal workflow ...` as a person types it; its output."""
    command = [find_temporal(), "workflow", *arguments, "--address", stack.environment["TEMPORAL_ADDRESS"]]
    status, output = await told(command, cwd=stack.home)
    assert status == 0, output
    return output


async def told(command: list[str], cwd: Path) -> tuple[int | None, str]:
    """Exit status and output of a command that finds no settings of ours."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    pipe, merged = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    run = await asyncio.create_subprocess_exec(*command, cwd=cwd, env=environment, stdout=pipe, stderr=merged)
    output, _ = await asyncio.wait_for(run.communicate(), 60)
    return run.returncode, output.decode()
