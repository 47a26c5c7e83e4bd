"""A run as it happens: its events shown, its questions put to whoever sits here."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from cli.client import ApiClient, Frame
from cli.lines import EventLines, plain
from cli.outcome import Outcome
from domain.errors import CallerError

Json = dict[str, Any]
Show = Callable[[Frame], None]
Decide = Callable[[Json], Json | None]
"""What an approval's card is answered with; None leaves it to somebody else, and ends the watch."""
CHILDREN_SECONDS = 1.0
"""Between two looks at what children ask."""
ENDINGS = {"completed": Outcome.DONE, "failed": Outcome.FAILED, "cancelled": Outcome.FAILED}


def follow(client: ApiClient, run_id: str, show: Show, decide: Decide | None = None) -> Json:
    """Until the run has ended, or waits for somebody else than `decide`: the run."""
    for frame in client.follow(run_id):
        show(frame)
        if decide is not None and _waits_for_children(frame) and not _attend_children(client, run_id, decide):
            break
        if decide is not None and frame.kind == "approval_requested":
            card = frame.body["event"]["card"]
            # What is read here may be old, and decided long ago.
            if not any(one["approval_id"] == card["approval_id"] for one in client.pending(run_id)):
                continue
            word = decide(card)
            if word is None:
                break
            _tell(client, run_id, card["approval_id"], word)
    return client.get(f"/v1/runs/{run_id}")


def _waits_for_children(frame: Frame) -> bool:
    return frame.kind == "status_changed" and bool(frame.body["event"]["waiting_for"] == "child")


def _attend_children(client: ApiClient, run_id: str, decide: Decide) -> bool:
    """What they ask is put to the same person as what the run asks; False where that one leaves it to somebody else."""
    while (run := client.get(f"/v1/runs/{run_id}"))["waiting_for"] == "child":
        for child_id, card in _asked_by_children(client, run):
            word = decide(card)
            if word is None:
                return False
            _tell(client, child_id, card["approval_id"], word)
        time.sleep(CHILDREN_SECONDS)
    return True


def _asked_by_children(client: ApiClient, run: Json) -> Iterator[tuple[str, Json]]:
    """And by theirs."""
    for child in run["children"]:
        if child["waiting_for"] == "child":
            yield from _asked_by_children(client, client.get(f"/v1/runs/{child['id']}"))
        elif child["waiting_for"]:
            yield from ((child["id"], card) for card in client.pending(child["id"]))


def outcome_of_run(run: Json) -> Outcome:
    return ENDINGS.get(run["status"], Outcome.WAITING)


def show_lines(console: Console) -> Show:
    """For people: a few lines an event."""
    events = EventLines()

    def show(frame: Frame) -> None:
        if "event" in frame.body:
            for line in events.lines(frame.body["event"]):
                console.print(line, soft_wrap=True)

    return show


def show_json(frame: Frame) -> None:
    """For programs: one JSON line an event."""
    if "event" in frame.body:
        print(json.dumps(frame.body), flush=True)


def decide_yes(console: Console) -> Decide:
    """Approves plans, calls and publishing, and says so. It neither answers questions nor raises limits."""

    def decide(card: Json) -> Json | None:
        if card["kind"] not in ("plan", "tool_call", "publish"):
            return None
        console.print(Text(f"approving {card['approval_id']} ({card['title']}) unasked, as --yes says", style="yellow"))
        return {"decision": "approve", "reason": "approved unasked (--yes)"}

    return decide


def decide_at_terminal(console: Console) -> Decide:
    """Puts the card to the person here."""

    def decide(card: Json) -> Json | None:
        console.print(card_panel(card))
        if card["kind"] == "team_limit":
            # An admin's to decide; for others it ends by itself.
            return None
        if card["kind"] == "question":
            return {"decision": "approve", "edited": {"answer": _asked(console, "Your answer")}}
        every = card["kind"] == "tool_call"
        answer = ""
        while answer not in ("y", "n", "a") or (answer == "a" and not every):
            choices = "y(es), n(o), a(lways: this tool, for the rest of the run)" if every else "y(es), n(o)"
            question = "Make it again? No leaves it as it is:" if card["kind"] == "effect" else "Approve?"
            answer = _asked(console, f"{question} {choices}").lower()[:1]
        if answer == "n":
            return {"decision": "reject", "reason": _asked(console, "Why not? The model reads it", empty=True)}
        return {"decision": "approve", "scope": "kind" if answer == "a" else "call"}

    return decide


def decider(console: Console, yes: bool) -> Decide:
    """`--yes`, else the person at the terminal, else nobody."""
    if yes:
        return decide_yes(console)
    return decide_at_terminal(console) if sys.stdin.isatty() and console.is_terminal else lambda _: None


def card_panel(card: Json) -> Panel:
    """What is to be decided. A plan stands in the lines above already."""
    title = f"{card['kind'].replace('_', ' ')} · {card['approval_id']}"
    subject = "" if card["kind"] == "plan" or not card["subject"] else json.dumps(card["subject"], indent=2)
    text = Text("\n".join(part for part in (plain(card["title"]), plain(subject)) if part))
    return Panel(text, title=escape(title), title_align="left", border_style="yellow")


def _asked(console: Console, question: str, empty: bool = False) -> str:
    while True:
        answer = console.input(f"[bold]{escape(question)}:[/bold] ").strip()
        if answer or empty:
            return answer


def _tell(client: ApiClient, run_id: str, approval_id: str, word: Json) -> None:
    try:
        client.decide(run_id, approval_id, word)
    except CallerError:
        # Somebody else was faster; their word stands, and the stream tells it.
        if any(one["approval_id"] == approval_id for one in client.pending(run_id)):
            raise
