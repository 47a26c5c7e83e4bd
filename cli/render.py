"""Runs and approvals as people read them."""

import json
import sys
from typing import Any

from rich.console import Console, Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from cli.limits import limit_facts
from cli.lines import one_line, plain, plan_lines, sizes

Json = dict[str, Any]
STYLES = {
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "waiting": "yellow",
    "paused": "yellow",
    "running": "cyan",
    "queued": "dim",
}
DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
TODO_SIGNS = {"completed": "✓", "done": "✓", "in_progress": "▸"}


def make_console(stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False)


def print_json(found: object) -> None:
    print(json.dumps(found, ensure_ascii=sys.stdout.encoding.lower() not in ("utf-8", "utf8")), flush=True)


def print_diff(console: Console, patch: str) -> None:
    if not console.is_terminal:
        sys.stdout.write(patch)
        return
    for line in plain(patch).splitlines():
        # Only what changed is coloured: the rest must be readable on light and dark.
        console.print(Text(line, style=DIFF_STYLES.get(line[:1], "")), soft_wrap=True)


def status_text(run: Json) -> Text:
    text = Text(run["status"], style=STYLES.get(run["status"], ""))
    if run["waiting_for"]:
        text.append(f" for {run['waiting_for'].replace('_', ' ')}", style="yellow")
    return text


def runs_table(runs: list[Json], width: int) -> Table:
    """The end of an id tells runs apart, and stands in the branch's name. Tasks take what room is left."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    lines: list[tuple[str | Text, ...]] = []
    for run in runs:
        when = run["updated_at"][:16].replace("T", " ")
        lines.append((run["id"][-12:], status_text(run), str(run["turn"]), f"${run['cost_usd']:.3f}", when))
    columns = ("run", "status", "turn", "cost", "updated")
    widths = [max(len(column), *(len(line[at]) for line in lines)) for at, column in enumerate(columns)]
    room = max(16, width - sum(widths) - 2 * len(columns) - 2)
    for column, fixed in (*zip(columns, widths, strict=True), ("task", room)):
        table.add_column(column, no_wrap=True, width=fixed)
    for run, line in zip(runs, lines, strict=True):
        table.add_row(*line, one_line(run["title"], width=room))
    return table


def run_panel(run: Json, approvals: list[Json], limits: Json | None = None) -> Group:
    rows = Table.grid(padding=(0, 2))
    rows.add_column()
    rows.add_column(overflow="fold")
    for name, value in [*_facts(run), *(limit_facts(run["id"], limits) if limits else [])]:
        rows.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(plain(value)))
    parts: list[Rule | Table | Text] = [Rule(run["id"], align="left"), rows]
    # Below the table: a link that is broken into lines leads nowhere.
    parts += [Text(f"API       {run['links']['self']}"), Text(f"Temporal  {run['links']['temporal_ui']}")]
    if opened := run["pull_request"]:
        parts += [Text(f"PR        {plain(opened['url'])}", style="bold")]
    if run["plan"]:
        parts += plan_lines(run["plan"])
    parts += [Text(f"  {TODO_SIGNS.get(str(one.get('status')), '·')} {_todo(one)}") for one in run["todo"]]
    for one in approvals:
        parts.append(Text(f"waits for your word on {one['approval_id']}: {plain(one['title'])}", style="yellow"))
        if one.get("again"):
            parts.append(Text(f"  asked again: {plain(one['again'])}", style="yellow"))
        parts += words_for(run["id"], one)
    return Group(*parts)


def words_for(run_id: str, approval: Json) -> list[Text]:
    """What can be said, ready to be copied."""
    named = f"{run_id} {plain(approval['approval_id'])}"
    if approval["kind"] != "effect":
        return [Text(f"  perdure approve {named}")]
    subject = approval["subject"]
    return [
        Text(f"  sent to {plain(subject['target'])} at {plain(subject['at'])}, attempt {subject['attempt']}"),
        Text(f"  perdure reject {named}    # leave it: it was done, or need not be"),
        Text(f"  perdure approve {named}   # it was not done: make it again"),
    ]


def _facts(run: Json) -> list[tuple[str, str | Text]]:
    usage, left = run["usage"], run["limits_left"]
    tokens = usage["input_tokens"] + usage["cache_read_tokens"] + usage["cache_write_tokens"]
    facts: list[tuple[str, str | Text]] = [("task", one_line(run["task"])), ("status", status_text(run))]
    if run["waiting_reason"]:
        facts.append(("", one_line(run["waiting_reason"])))
    if run["waiting_until"]:
        facts.append(("until", plain(run["waiting_until"])))
    if run["repository"]:
        facts.append(("repository", f"{run['repository']['url']} {run['repository']['ref'] or ''}".strip()))
    facts += lineage_facts(run)
    facts.append(("agent", f"{run['agent']} with {run['model']}"))
    if run["model_changes"]:
        now, times = plain(run["model_now"]), run["model_changes"]
        facts.append(("", f"{now} answers now; {times} changes, {run['resent_tokens']:,} tokens sent anew"))
    spent = f"{run['turn']} turns, ${run['cost_usd']:.4f}, {tokens:,} tokens in, {usage['output_tokens']:,} out"
    facts.append(("spent", spent))
    shown = ", ".join(f"{name} {value:g}" for name, value in left.items() if value is not None)
    facts.append(("left", shown or "no limits"))
    if run["sandbox"]:
        facts += _sandbox_facts(run["sandbox"])
    return facts + _result_facts(run)


def lineage_facts(run: Json) -> list[tuple[str, str | Text]]:
    facts: list[tuple[str, str | Text]] = []
    if lineage := run["lineage"]:
        before = f"{lineage['turns']} turns and ${lineage['cost_usd']:.4f} before"
        facts.append(("rewound" if lineage["replaces"] else "forked", f"from {lineage['parent']}"))
        facts.append(("", f"at {lineage['at']} ({before})"))
        if lineage["race"]:
            kept = {True: "kept, as the first whose checks passed", False: "not kept", None: "not decided yet"}
            facts.append(("race", kept[run["kept"]]))
    if child := run.get("child_of"):
        facts += [("child", f"of {child['parent']}"), ("", f"at {child['call']}")]
    for one in run.get("children", ()):
        waits = f", waits for {one['waiting_for']}" if one["waiting_for"] else ""
        facts.append(("gave away", plain(f"{one['call']} to {one['id']} ({one['agent']}): {one['status']}{waits}")))
    if run["superseded_by"]:
        facts.append(("superseded", f"by {run['superseded_by']}"))
    return facts


def _sandbox_facts(sandbox: Json) -> list[tuple[str, str | Text]]:
    limits, image = sandbox["limits"], f", {sandbox['image']}" if sandbox["image"] else ""
    bounds = (
        f"memory {limits['memory_bytes'] / 1024**2:g} MiB ({sandbox['memory']}), "
        f"{limits['processes']:g} processes ({sandbox['processes']}), {limits['cpus']:g} CPUs ({sandbox['cpu']}), "
        f"disk {limits['disk_bytes'] / 1024**2:g} MiB ({sandbox['disk']})"
    )
    hosts = ", ".join(sandbox["hosts"]) or "no network"
    return [("sandbox", f"{sandbox['kind']}{image} at {sandbox['host']}: {plain(hosts)}"), ("", bounds)]


def _result_facts(run: Json) -> list[tuple[str, str | Text]]:
    result = run["result"]
    if not result:
        return []
    facts: list[tuple[str, str | Text]] = [("result", plain(result["summary"]))]
    if result["next_step"]:
        facts.append(("next", plain(result["next_step"])))
    if work := result["work"]:
        pushed = "pushed" if result["pushed"] else "not pushed"
        facts.append(("branch", f"{work['branch']} ({pushed}), {sizes(work)}"))
    if opened := result["pull_request"]:
        facts += pull_request_facts(opened)
    if result["verified"] is not None:
        facts.append(("verified", Text("yes", style="green") if result["verified"] else Text("no", style="red")))
    return facts


def pull_request_facts(opened: Json) -> list[tuple[str, str | Text]]:
    kind = "draft" if opened["draft"] else "ready"
    state = "" if opened["state"] == "open" else f", {opened['state']}"
    said = f"#{opened['number']} ({kind}{state}) of {opened['head']} into {opened['base']}"
    return [("request", said), *(("", Text(plain(note), style="yellow")) for note in opened["notes"])]


def _todo(entry: Json) -> str:
    return one_line(entry.get("text") or entry.get("title") or entry.get("content") or json.dumps(entry))
