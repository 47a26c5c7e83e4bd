"""What bandit says of the Python that work changes; it runs in a sandbox that has nothing else of the work."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pydantic import ValidationError

from adapters.repositories.added import Added
from adapters.repositories.commit import script
from adapters.repositories.environment import BARE
from adapters.repositories.intake import Intake
from adapters.repositories.rules import Change, shown
from domain.errors import SandboxUnavailable
from domain.ports.sandbox import Sandbox
from domain.repository import Finding, Verdict
from domain.sandbox import CHECKS_DIRECTORY, TOOLCHAIN_PATH, Command, CommandResult
from domain.value import Value

SECONDS = 300.0
MOST_FILES = 500
MOST_BYTES = 8 * 1024**2
ABSENT = 77
UNCHECKED = "It is Python that bandit could not check"


class Said(Value):
    index: int
    line: int
    test: str
    text: str


class Report(Value):
    found: tuple[Said, ...]
    skipped: tuple[int, ...]


@dataclass(frozen=True)
class Source:
    path: str
    content: bytes
    lines: Sequence[int]


async def check_python(
    clean: Intake, sandbox: Sandbox, changes: Sequence[Change], added: Mapping[str, Added], verdict: Verdict
) -> list[Finding]:
    """Of high severity, in lines that the work added. Raises SandboxUnavailable."""
    wanted = [change for change in changes if change.new_mode.startswith("100") and is_python(change.path, added)]
    if verdict == "allow" or not wanted:
        return []
    sources = await _read(clean, wanted[:MOST_FILES], added)
    left = wanted[len(sources) :]
    found = [_unchecked(change.path, "there is too much of it", verdict) for change in left[:1]]
    if not sources:
        return found
    result = await sandbox.run(_command(sources))
    if result.exit_code == ABSENT and result.ended == "exited":
        said = "Python was not checked: there is no bandit in this sandbox."
        return [*found, Finding(rule="bandit", path="", message=said, verdict="allow")]
    return [*found, *_findings(result, sources, verdict)]


def is_python(path: str, added: Mapping[str, Added]) -> bool:
    """By its name, or by a first line that the work added. What gains no line is not looked at."""
    one = added.get(path)
    if one is None or not one.lines:
        return False
    starts = one.numbers[0] == 1 and one.lines[0].startswith(b"#!") and b"python" in one.lines[0]
    return starts or path.lower().endswith((".py", ".pyw"))


async def _read(clean: Intake, wanted: Sequence[Change], added: Mapping[str, Added]) -> list[Source]:
    asked = "".join(f"{change.new}\n" for change in wanted).encode()
    sizes = [int(size) for size in (await clean.need("cat-file", "--batch-check=%(objectsize)", stdin=asked)).split()]
    fitting = sum(1 for total in accumulate(sizes) if total <= MOST_BYTES)
    asked = "".join(f"{change.new}\n" for change in wanted[:fitting]).encode()
    contents = await clean.need("cat-file", "--batch=", stdin=asked)
    sources: list[Source] = []
    start = 1  # after the end of an empty header line; another ends each content
    for change, size in zip(wanted[:fitting], sizes, strict=False):
        sources.append(Source(change.path, contents[start : start + size], added[change.path].numbers))
        start += size + 2
    return sources


def _command(sources: Sequence[Source]) -> Command:
    given = [{"source": one.content.decode("latin-1"), "lines": list(one.lines)} for one in sources]
    python, checks = f"{TOOLCHAIN_PATH}/bin/python3", f"{TOOLCHAIN_PATH}/{CHECKS_DIRECTORY}"
    return Command(
        argv=("sh", "-c", script("bandit.sh"), "bandit", python, checks, script("bandit_program.py")),
        cwd="/",
        environment={"PATH": "/usr/bin:/bin", "HOME": BARE["HOME"], "LC_ALL": "C.UTF-8"},
        stdin=json.dumps(given).encode(),
        timeout_seconds=SECONDS,
        report=True,
        name=f"bandit-{uuid.uuid4().hex}",
    )


def _findings(result: CommandResult, sources: Sequence[Source], verdict: Verdict) -> Iterator[Finding]:
    if result.ended == "cancelled":
        raise SandboxUnavailable("The check of the work's Python was cancelled.")
    try:
        report = Report.model_validate_json(result.report)
        skipped = [sources[index].path for index in report.skipped]
        found = [(sources[one.index].path, one) for one in report.found]
    except (ValidationError, IndexError):
        why = "it ended early" if result.ended == "exited" else result.ended.replace("_", " ")
        yield _unchecked(sources[0].path, why, verdict)
        return
    for path, one in found:
        said = f"bandit {one.test}: {one.text}"
        yield Finding(rule="bandit", path=shown(path)[:400], line=one.line, message=said, verdict=verdict)
    for path in skipped:
        yield _unchecked(path, "it cannot be parsed", verdict)


def _unchecked(path: str, why: str, verdict: Verdict) -> Finding:
    return Finding(rule="bandit", path=shown(path)[:400], message=f"{UNCHECKED}: {why}.", verdict=verdict)
