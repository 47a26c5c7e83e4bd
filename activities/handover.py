"""What a child did, taken over by the call that asked for it: all of it or, where it does not fit, nothing."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from activities.host import Host
from activities.jobs import Job
from activities.returns import returned_of
from activities.tools.contract import ToolContext, ToolOutcome
from activities.tools.files import script
from activities.tools.output import readable
from domain.child import ChildEnd, child_id
from domain.dossier import Dossier
from domain.errors import WorldError
from domain.event import RunDelegated, RunEnded, ToolReturned, TurnAnswered
from domain.limits import Spent
from domain.patch import ROOT, Contest, Patch, changed_between, patch
from domain.ports import Snapshots
from domain.record import RecordedEvent
from domain.run import RunResult
from domain.snapshot import DirectoryEntry, Entry, FileEntry, LinkEntry, SnapshotRef
from domain.tool import ToolResult
from domain.workspace import WorkspaceLease

PAGE = 500
SHOWN_PATHS = 60
MERGED_BYTES = 1024 * 1024
"""More of a file that both have changed is a conflict."""
MOST_BYTES = 64 * 1024 * 1024
"""What is laid over moved files is held in memory."""
READ = ("run_delegated", "turn_answered", "tool_returned", "run_ended")
MERGE = (
    'file=$PWD/$1; place=$(mktemp -d) && cd "$place" && tar -x -o -f - && git merge-file -q "$file" base theirs; '
    'code=$?; rm -rf "$place"; exit $code'
)
REMOVE = "exec xargs -0 rm -rf --"
NEXT = "Do that part yourself, or give it away again: a new run begins with your files as they are now."
PUT = "exec tar -x -p -o -f -"


@dataclass(frozen=True)
class Finished:
    """A child that has ended."""

    result: RunResult
    begin: SnapshotRef
    after: SnapshotRef
    end: ChildEnd


class Handover:
    def __init__(self, host: Host, snapshots: Snapshots) -> None:
        self._host = host
        self._snapshots = snapshots

    async def of(self, job: Job, dossier: Dossier, lease: WorkspaceLease) -> "Job | ToolReturned":
        """What the call comes to without anything being run, or the job that lays the change over the files.

        Raises WorldError until the child has ended."""
        assert lease.snapshot is not None
        child = await self._finished(child_id(dossier.run_id, job.call))
        if child.result.status != "completed":
            return _taken(job, child, _failed(child), lease.snapshot, is_error=True)
        begin, after = await self._snapshots.manifest(child.begin), await self._snapshots.manifest(child.after)
        changed = changed_between(begin, after)
        if not changed or lease.snapshot.id == child.after.id:
            return _taken(job, child, _report(child, changed), lease.snapshot)
        if lease.snapshot.id == child.begin.id:
            return _taken(job, child, _report(child, changed), child.after, len(changed))
        wanted = patch(begin, after, await self._snapshots.manifest(lease.snapshot))
        laid = partial(self._lay, child=child, wanted=wanted)
        return replace(job, tool=replace(job.tool, run=laid))

    async def _finished(self, run_id: str) -> Finished:
        events: list[RecordedEvent] = []
        while page := await self._host.journal.read(run_id, events[-1].seq if events else 0, PAGE, READ):
            events += page
        of = next((one.event.child for one in events if isinstance(one.event, RunDelegated)), None)
        ended = next((one.event for one in reversed(events) if isinstance(one.event, RunEnded)), None)
        lease = await self._host.journal.lease(run_id)
        if of is None or ended is None or lease is None or lease.snapshot is None:
            raise WorldError(f"Run {run_id}, a child of this one, has not ended yet.", retry_after_seconds=5.0)
        spent = reduce(Spent.plus, (_spent(one) for one in events), Spent())
        end = ChildEnd(run_id=run_id, snapshot_id=lease.snapshot.id, spent=spent)
        return Finished(result=ended.result, begin=of.snapshot, after=lease.snapshot, end=end)

    async def _lay(self, _arguments: Any, context: ToolContext, *, child: Finished, wanted: Patch) -> ToolOutcome:
        """Over files that have moved on since the child began."""
        if sum(entry.size for entry in wanted.put.values() if isinstance(entry, FileEntry)) > MOST_BYTES:
            large = f"it is larger than {MOST_BYTES:,} bytes, and your files have changed meanwhile"
            return _void(child, f"Nothing of it was applied: {large}. {NEXT}")
        conflicts = list(wanted.conflicts)
        # Whatever has been merged by then goes with the attempt where one does not fit.
        conflicts += [one.path for one in wanted.contests if not await self._merge(one, child, context)]
        if conflicts:
            return _void(child, _conflicting(child, conflicts))
        files = [path for path, entry in wanted.put.items() if isinstance(entry, FileEntry)]
        contents = {path: await self._snapshots.read(child.after, path) or b"" for path in files}
        removed = b"".join(_name(path).encode(errors="surrogateescape") + b"\0" for path in wanted.remove)
        for text, stdin in ((REMOVE, removed), (PUT, _archive(wanted.put, contents) if wanted.put else b"")):
            if stdin and (failed := await script(context, text, stdin=stdin)).exit_code != 0:
                why = readable(failed.error).strip()[-500:] or failed.ended
                return _void(child, f"Nothing of it was applied, as it failed: {why}. {NEXT}")
        return ToolOutcome(ToolResult(text=_report(child, wanted.changed)), child=child.end)

    async def _merge(self, contest: Contest, child: Finished, context: ToolContext) -> bool:
        """False where both have changed the same lines, or it is no text."""
        sides = [entry.size for entry in (contest.begin, contest.child, contest.now) if entry is not None]
        base = await self._begun(contest, child) if max(sides) <= MERGED_BYTES else None
        theirs = await self._snapshots.read(child.after, contest.path)
        if base is None or theirs is None:
            return False
        given = {"base": base, "theirs": theirs}
        entries = dict.fromkeys(given, contest.child)
        # By what is in the sandbox, and within its limits: comparing can be made to take very long.
        result = await script(context, MERGE, _name(contest.path), stdin=_archive(entries, given))
        return result.exit_code == 0

    async def _begun(self, contest: Contest, child: Finished) -> bytes | None:
        if contest.begin is not None:
            return await self._snapshots.read(child.begin, contest.path)
        name = _name(contest.path)
        changes = await self._snapshots.changes(child.after)
        return next((one.before for one in changes if one.path == name and not one.large), None)


def _spent(recorded: RecordedEvent) -> Spent:
    match recorded.event:
        case TurnAnswered() as answered:
            return Spent(turns=1, tokens=answered.usage.counted_tokens, cost_usd=answered.cost_usd)
        case ToolReturned(child=end) if end is not None:
            return end.spent
    return Spent()


def _taken(
    job: Job, child: Finished, text: str, snapshot: SnapshotRef, changed: int = 0, *, is_error: bool = False
) -> ToolReturned:
    outcome = ToolOutcome(ToolResult(text=text, is_error=is_error), child=child.end)
    return returned_of(job, 0, outcome).model_copy(update={"snapshot": snapshot, "changed": changed})


def _void(child: Finished, text: str) -> ToolOutcome:
    return ToolOutcome(ToolResult(text=text, is_error=True), child=child.end, void=True)


def _report(child: Finished, changed: Sequence[str]) -> str:
    names = [_name(path) for path in changed]
    told = [f"- {readable(name.encode(errors='surrogateescape'))}" for name in names[:SHOWN_PATHS]]
    if len(names) > SHOWN_PATHS:
        told.append(f"- and {len(names) - SHOWN_PATHS} more")
    applied = "\n".join(["What it changed stands in your files now:", *told]) if names else "It changed no file."
    return f"Run {child.end.run_id} has finished. {applied}\n\nIts report:\n\n{child.result.summary}"


def _failed(child: Finished) -> str:
    result = child.result
    said = f"{result.summary} {result.next_step}".strip()
    return f"Run {child.end.run_id} {result.status}; nothing of it was applied. {said}\n\n{NEXT}"


def _conflicting(child: Finished, conflicts: Sequence[str]) -> str:
    paths = sorted(_name(path) for path in conflicts)
    told = "\n".join(f"- {readable(path.encode(errors='surrogateescape'))}" for path in paths[:SHOWN_PATHS])
    return (
        f"Run {child.end.run_id} has finished, but nothing of it was applied: these files have been changed meanwhile, "
        f"in the same places:\n{told}\n\nIts report:\n\n{child.result.summary}\n\n{NEXT}"
    )


def _name(path: str) -> str:
    return path.removeprefix(ROOT + "/")


def _archive(entries: Mapping[str, Entry], contents: dict[str, bytes]) -> bytes:
    """Of these paths alone: directories that stand above them are left as they are."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive:
        for path in sorted(entries):
            entry = entries[path]
            member = tarfile.TarInfo(_name(path))
            if isinstance(entry, DirectoryEntry):
                member.type, member.mode = tarfile.DIRTYPE, entry.mode
            elif isinstance(entry, LinkEntry):
                member.type, member.linkname = tarfile.SYMTYPE, entry.target
            elif isinstance(entry, FileEntry):
                member.mode, member.size = entry.mode, len(contents[path])
            archive.addfile(member, io.BytesIO(contents.get(path, b"")))
    return made.getvalue()
