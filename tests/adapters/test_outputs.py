"""Whole outputs on a host."""

from pathlib import Path

from adapters.blobs import ObjectBlobs
from adapters.outputs import HostOutputs


def outputs(home: Path) -> HostOutputs:
    return HostOutputs(home / "outputs", ObjectBlobs(f"file://{home / 'blobs'}"))


async def test_an_attempt_that_comes_back_does_not_write_into_the_output_of_the_next(tmp_path: Path) -> None:
    kept = outputs(tmp_path)
    hung, next_one = kept.scratch("run", "1-0"), kept.scratch("run", "1-0")
    next_one.write_text("whole")
    hung.write_text("half")
    await kept.keep("run", "1-0", next_one)
    assert (kept.directory("run") / "1-0").read_text() == "whole"


async def test_outputs_are_brought_back_on_another_host_under_their_names(tmp_path: Path) -> None:
    here = outputs(tmp_path)
    scratch = here.scratch("run", "1-0")
    scratch.write_text("whole")
    address = await here.keep("run", "1-0", scratch)
    there = HostOutputs(tmp_path / "there", ObjectBlobs(f"file://{tmp_path / 'blobs'}"))
    await there.restore("run", {"1-0": address})
    restored = there.directory("run") / "1-0"
    assert restored.read_text() == "whole"
    assert restored.stat().st_mode & 0o777 == 0o444


async def test_an_ended_run_leaves_no_output_on_the_host(tmp_path: Path) -> None:
    kept = outputs(tmp_path)
    kept.scratch("run", "2-0").write_text("never kept")
    scratch = kept.scratch("run", "1-0")
    scratch.write_text("whole")
    await kept.keep("run", "1-0", scratch)
    await kept.discard("run")
    assert [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()] == []
