"""Events as lines for people: what happened, in a few words."""

import re
from collections.abc import Callable
from typing import Any

from rich.text import Text

Json = dict[str, Any]
_WIDTH = 160
VERBS = ("approved", "rejected")
ASKED_OF_PEOPLE = (
    "plan_approval",
    "tool_approval",
    "publish_approval",
    "human_answer",
    "limit",
    "stuck",
    "effect_in_doubt",
)


def plain(text: object) -> str:
    """Without control characters: what a tool printed must not steer the reader's terminal."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", str(text)))


def one_line(text: object, last: bool = False, width: int = _WIDTH) -> str:
    lines = [line.strip() for line in plain(text).splitlines() if line.strip() and not line.startswith("[exit code")]
    if not lines:
        return ""
    chosen = lines[-1] if last else lines[0]
    return chosen if len(chosen) <= width else chosen[: width - 1] + "…"


class EventLines:
    """`lines(event)` for each event in order; keeps the sum of costs."""

    def __init__(self) -> None:
        self.cost_usd = 0.0
        self._started: set[str] = set()

    def lines(self, event: Json) -> list[Text]:
        made: Callable[[Json], list[Text]] | None = getattr(self, f"_{event['type']}", None)
        return made(event) if made is not None else []

    def _run_submitted(self, event: Json) -> list[Text]:
        return [_said("task", one_line(event["spec"]["task"])), _said("model", event["model"])]

    def _repository_resolved(self, event: Json) -> list[Text]:
        found = event["repository"]
        return [_said("repository", f"{plain(found['url'])} at {found['commit'][:12]} ({plain(found['ref'])})")]

    def _workspace_opened(self, event: Json) -> list[Text]:
        force = event["enforcement"]
        again = f", opened again ({event['generation']})" if event["generation"] > 1 else ""
        return [_said("workspace", f"on {event['host_id']}, sandbox {force['sandbox']}{again}")]

    def _turn_answered(self, event: Json) -> list[Text]:
        self.cost_usd += float(event["cost_usd"])
        said = "".join(block["text"] for block in event["message"]["blocks"] if block["type"] == "text")
        figures = f"{event['seconds']:.1f} s · ${self.cost_usd:.4f} so far"
        head = Text(f"turn {event['turn']} · {event['phase']} · {figures}", style="dim")
        return [head, Text("  " + one_line(said), style="italic")] if said.strip() else [head]

    def _turn_refused(self, event: Json) -> list[Text]:
        return [_bad(f"the provider did not answer: {one_line(event['reason'])}; again at {event['until']}")]

    def _model_changed(self, event: Json) -> list[Text]:
        resent = f", {event['resent_tokens']:,} tokens sent anew" if event["resent_tokens"] else ""
        changed = f"from here on {plain(event['model'])} answers, not {plain(event['before'])}{resent}"
        return [Text(f"  ⇄ {changed}: {one_line(event['reason'])}", style="yellow")]

    def _tool_started(self, event: Json) -> list[Text]:
        self._started.add(event["call"])
        attempt = f" (attempt {event['attempt']})" if event["attempt"] > 1 else ""
        return [_call(event, attempt)]

    def _tool_redone(self, event: Json) -> list[Text]:
        return [Text(f"  ↻ {event['call']} was in doubt: undone, and made again", style="yellow")]

    def _connection_tried(self, event: Json) -> list[Text]:
        made = event["connection"]
        where = f"{plain(made['host'])}:{made['port']}"
        if not made["allowed"]:
            return [Text(f"    ⇄ {where} was refused: {one_line(made['reason'])}", style="yellow")]
        moved = f"{made['sent_bytes']:,} bytes out, {made['received_bytes']:,} in"
        return [Text(f"    ⇄ {where} ({moved})", style="dim")]

    def _connections_counted(self, event: Json) -> list[Text]:
        return [Text(f"    ⇄ and {event['allowed']} connections more, {event['refused']} refused", style="yellow")]

    def _tool_returned(self, event: Json) -> list[Text]:
        result = event["result"]
        failed = result["is_error"] or result["exit_code"] not in (None, 0)
        shown = one_line(result["text"], last=event["name"] == "bash" or event["call"].startswith("verify/"))
        facts = [f"exit {result['exit_code']}"] if result["exit_code"] is not None else []
        facts += [f"{event['changed']} changed"] if event["changed"] else []
        facts += [f"taken over from run {event['reused_from']}"] if event.get("reused_from") else []
        tail = f"  ({', '.join(facts)})" if facts else ""
        line = Text.assemble("    ", ("✗ ", "red") if failed else ("✓ ", "green"), (shown, "dim"), (tail, "dim"))
        # Reads are recorded only when they have returned.
        return [line] if event["call"] in self._started else [_call(event), line]

    def _note_added(self, event: Json) -> list[Text]:
        return [Text(f"  Perdure tells the model: {one_line(event['text'])}", style="yellow")]

    def _message_received(self, event: Json) -> list[Text]:
        return [_said(f"message of {plain(event['by'])}", one_line(event["text"]))]

    def _status_changed(self, event: Json) -> list[Text]:
        # What people are asked for was said with the question.
        if event["status"] not in ("waiting", "paused") or event["waiting_for"] in ASKED_OF_PEOPLE:
            return []
        why = f" for {event['waiting_for'].replace('_', ' ')}" if event["waiting_for"] else ""
        return [Text(f"{event['status']}{why}: {one_line(event['reason'], width=80)}".rstrip(": "), style="yellow")]

    def _approval_requested(self, event: Json) -> list[Text]:
        card = event["card"]
        return [
            Text(f"needs a word on {plain(card['approval_id'])}: {one_line(card['title'], width=100)}", style="yellow")
        ]

    def _approval_decided(self, event: Json) -> list[Text]:
        word = event["decision"]
        reason = f": {one_line(word['reason'])}" if word["reason"] else ""
        verbs = ("to be made again", "left as it is") if word["approval_id"].startswith("effect/") else VERBS
        verb = verbs[word["decision"] != "approve"]
        return [_said(word["approval_id"], f"{verb} by {plain(word['by'])}{reason}")]

    def _plan_proposed(self, event: Json) -> list[Text]:
        return plan_lines(event["plan"])

    def _verify_ended(self, event: Json) -> list[Text]:
        if event["passed"]:
            return [Text(f"✓ checks passed (round {event['round']})", style="green")]
        return [_bad(f"checks failed (round {event['round']}): {', '.join(map(plain, event['failed_commands']))}")]

    def _work_committed(self, event: Json) -> list[Text]:
        work = event["work"]
        return [_said("commit", f"{work['commit'][:12]} on {work['branch']}: {sizes(work)}")]

    def _effect_done(self, event: Json) -> list[Text]:
        receipt = event["receipt"]
        where = receipt.get("url") or event["target"]
        notes = [Text(f"  {one_line(note)}", style="yellow") for note in receipt.get("notes", ())]
        by = f", as {plain(event['by'])} says" if event.get("by") else ""
        return [_said(plain(event["effect"]).replace("_", " "), f"{plain(where)}{by}"), *notes]

    def _effect_failed(self, event: Json) -> list[Text]:
        return [_bad(f"{plain(event['effect'])} to {plain(event['target'])} failed: {one_line(event['reason'])}")]

    def _limits_raised(self, event: Json) -> list[Text]:
        return [_said("limits", f"raised by {plain(event['by'])}")]

    def _run_forked(self, event: Json) -> list[Text]:
        fork = event["fork"]
        # What was spent before is the parent's.
        self.cost_usd = 0.0
        return [_said("forked", f"from {fork['parent']} at {fork['at']}; what stands above is the parent's")]

    def _run_delegated(self, event: Json) -> list[Text]:
        child = event["child"]
        return [_said("child", f"of {child['parent']}, which asked for it at {child['call']}")]

    def _run_superseded(self, event: Json) -> list[Text]:
        return [Text(f"rewound to {plain(event['at'])}: run {plain(event['by'])} goes on in its place", style="yellow")]

    def _race_won(self, _event: Json) -> list[Text]:
        return [Text("✓ the first of its race whose checks passed: it is kept", style="green")]

    def _team_limit_raised(self, event: Json) -> list[Text]:
        return [_said("limits", f"of team {plain(event['team'])} raised for {event['month']} by {plain(event['by'])}")]

    def _price_unknown(self, event: Json) -> list[Text]:
        return [
            Text(f"no price of {plain(event['model'])} is known: a limit of money does not bound it", style="yellow")
        ]

    def _run_ended(self, event: Json) -> list[Text]:
        result = event["result"]
        style = {"completed": "bold green", "cancelled": "yellow"}.get(result["status"], "bold red")
        lines = [Text(result["status"], style=style)]
        lines += [Text(f"  {line}") for line in plain(result["summary"]).splitlines()]
        return [*lines, Text(f"  {plain(result['next_step'])}")] if result["next_step"] else lines


def sizes(work: Json) -> str:
    files = "1 file" if work["files"] == 1 else f"{work['files']} files"
    return f"{files}, +{work['added']} -{work['removed']}"


def plan_lines(plan: Json) -> list[Text]:
    lines: list[Text] = [Text.assemble(("plan ", "bold"), plain(plan["summary"]))]
    for number, step in enumerate(plan["steps"], 1):
        lines.append(Text.assemble(f"  {number}. ", (plain(step["title"]), "bold")))
        lines += [Text(f"     {line}", style="dim") for line in plain(step["detail"]).splitlines()]
    lines.extend(Text(f"  risk: {plain(risk)}", style="yellow") for risk in plan["risks"])
    return lines


def _call(event: Json, attempt: str = "") -> Text:
    name = "check" if event["call"].startswith("verify/") else plain(event["name"])
    return Text.assemble("  → ", (name, "bold cyan"), f" {one_line(event['subject'])}{attempt}")


def _said(what: str, text: str) -> Text:
    return Text.assemble((f"{what} ", "bold"), text)


def _bad(text: str) -> Text:
    return Text.assemble(("✗ ", "red"), text)
