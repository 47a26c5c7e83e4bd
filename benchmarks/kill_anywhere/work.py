"""What the runs do: every command changes files in a way that shows whether it was done once."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

MARK = f"300.{os.getpid():07d}"
"""Seconds that a process left behind sleeps, by which it is known."""
WRITES = (
    "c=$(cat counter 2>/dev/null || echo 0); echo turn {n} >> log.txt; sleep 0.15; echo $((c + 1)) > counter; "
    "echo {n} > new-{n}; mv new-{n} kept-{n}; rm -f kept-$(({n} - 2)); "
    f"(sleep {MARK} >/dev/null 2>&1 &)"
)
FILES: dict[str, str | bytes] = {"adder.py": "def add(a, b):\n    return a - b\n", "README.md": "An adder.\n"}
LATENCY_MS = 60
PLAN = {"name": "propose_plan", "arguments": {"summary": "Mend it", "steps": [{"title": "Mend"}]}}


@dataclass(frozen=True)
class Work:
    """`turns` are those before the end."""

    name: str
    turns: tuple[dict[str, Any], ...] = field(hash=False)
    repository: bool = False
    publish: str = "none"
    spec: dict[str, Any] = field(default_factory=dict, hash=False)
    """What else is asked of Perdure; a plain agent has no such thing."""
    parts: dict[str, str] = field(default_factory=dict, hash=False)
    """Tasks that children get, and the command that each of them runs."""

    @property
    def script(self) -> str:
        ending = {"calls": [{"name": "finish", "arguments": {"summary": "All is done."}}]}
        turns = [*self.turns, {"repeat": {"turns": 20}, **ending}]
        planning = {"when": {"tool": "propose_plan"}, "turns": [{"repeat": {"turns": 5}, "calls": [PLAN]}]}
        parts = [
            {"when": {"user": task}, "turns": [bash(command, 2), {"repeat": {"turns": 20}, **ending}]}
            for task, command in self.parts.items()
        ]
        conversations = [planning, *parts, {"when": {"tool": "bash"}, "turns": turns}]
        return json.dumps({"conversations": conversations, "latency_ms": LATENCY_MS, "piece_characters": 100_000})


def bash(command: str, turns: int = 1) -> dict[str, Any]:
    return {"calls": [{"name": "bash", "arguments": {"command": command}}], "repeat": {"turns": turns}}


def reads(*paths: str) -> dict[str, Any]:
    return {"calls": [{"name": "read", "arguments": {"path": path}} for path in paths]}


def gives(*tasks: str) -> dict[str, Any]:
    return {"calls": [{"name": "delegate", "arguments": {"agent": "coder", "task": task}} for task in tasks]}


MAKES = bash("for i in 1 2 3 4; do seq $i 200 > part-$i; done")
READS = (reads("part-1", "part-2", "part-3", "part-4"), bash("cat part-1 part-2 | wc -l >> sums.txt"))
MENDS = bash("sed -i 's/a - b/a + b/' adder.py; echo mended >> log.txt")
SHORT = Work("short", (bash(WRITES, 3),))
LONG = Work("long", (bash(WRITES, 60),))
READING = Work("reads", (MAKES, *READS, *READS, *READS))
PUSHING = Work("push", (bash(WRITES, 2), MENDS, bash(WRITES)), repository=True, publish="branch")
PULLING = Work("pull", (MENDS, bash(WRITES, 3)), repository=True, publish="pull_request")
# Its words are what the default policy asks about; nothing is pushed.
ASKING = Work("approval", (bash(WRITES), bash("echo 'git push' >> log.txt"), bash(WRITES)))
PHASES = Work(
    "phases",
    (MENDS, bash(WRITES)),
    repository=True,
    publish="branch",
    spec={"plan": True, "plan_approval": True, "verify": ["test -s log.txt", "grep -q 'a + b' adder.py"]},
)
PARTS = {f"part {name}": WRITES.replace("log.txt", f"{name}.txt").replace("counter", name) for name in ("a", "b", "c")}
FAMILY = Work("family", (bash(WRITES), gives("part a", "part b"), bash(WRITES), gives("part c")), parts=PARTS)
"""No plain agent has children."""
EVERYTHING = Work(
    "everything",
    (MAKES, reads("part-1", "part-2"), MENDS, bash("echo 'git push' >> log.txt")),
    repository=True,
    publish="pull_request",
    spec={"plan": True, "plan_approval": True, "verify": ["test -s log.txt"]},
)
"""Passes all boundaries in one run."""
WORKS = (LONG, SHORT, PUSHING, READING, PULLING, ASKING, PHASES)
