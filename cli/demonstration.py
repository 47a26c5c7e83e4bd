"""What `perdure demo` shows: a real stack, a real repository with a real bug, a run over HTTP, and the proof."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule

from adapters.embedded.child import die_with
from adapters.settings import default_home
from cli.client import ApiClient
from cli.follow import Decide, card_panel, decide_at_terminal, follow, show_lines
from cli.home import Home
from cli.lines import plain
from cli.outcome import Outcome
from cli.parts import ROOT
from cli.render import make_console, print_diff
from cli.sample import TASK, VERIFY, git, make_sample
from domain.errors import Conflict, WorldError

Json = dict[str, Any]
SCRIPTED = "scripted:demo"
SCRIPTED_MEANS = (
    "[yellow]The scripted model answers:[/yellow] it says what a file tells it, through the real SDK, over real HTTP; "
    "everything else is real. For a real model set OPENAI_API_KEY or ANTHROPIC_API_KEY."
)
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
STOP_SECONDS = 30.0


@dataclass
class Demonstration:
    yes: bool
    keep: bool
    model: str | None
    sandbox: str | None
    console: Console = field(default_factory=make_console)
    began: float = field(default_factory=time.monotonic)

    def play(self) -> Outcome:
        home = own_home(default_home(os.environ))
        with own_stack(home, self.sandbox) as answers:
            client = ApiClient(answers["api"], answers["token"])
            self._say(f"[bold]Perdure is up[/bold] after {self._seconds():.1f} s: {answers['api']}")
            chosen = self._choose_model(client.get("/v1/models")["items"])
            origin = make_sample(home / "samples" / time.strftime("%Y%m%d-%H%M%S"))
            outcome = self._run(client, origin, chosen)
            self._stay_or_tell(home)
        return outcome

    def _run(self, client: ApiClient, origin: Path, model: str) -> Outcome:
        request = {
            "task": TASK,
            "repository": {"url": str(origin), "ref": "main"},
            "model": model,
            "plan_approval": True,
            "publish": "branch",
            "verify": [VERIFY],
        }
        started = client.start_run(request)
        self._say(f"POST {client.url}/v1/runs → [bold]{started['id']}[/bold]")
        self._say(f"Temporal Web UI: {started['links']['temporal_ui']}\n")
        decide = decide_at_terminal(self.console) if self._at_terminal() and not self.yes else self._unasked()
        found = follow(client, started["id"], show_lines(self.console), decide)
        if found["result"] and found["result"]["work"]:
            print_diff(self.console, client.text(f"/v1/runs/{found['id']}/diff", "text/x-diff"))
        return self._conclude(found, origin)

    def _unasked(self) -> Decide:
        why = "as --yes says" if self.yes else "as there is no terminal to ask at"

        def decide(card: Json) -> Json | None:
            if card["kind"] not in ("plan", "tool_call", "publish"):
                return None
            self.console.print(card_panel(card))
            self._say(f"[yellow]Approved by the demo itself, {why}.[/yellow]")
            return {"decision": "approve", "reason": f"approved by the demo itself, {why}"}

        return decide

    def _choose_model(self, cards: list[Json]) -> str:
        """Costs nobody money unasked: without a person to ask, the scripted model answers."""
        offered = [SCRIPTED, *(str(card["name"]) for card in cards if card["ready"])]
        offered = [name for name in offered if name == SCRIPTED or not name.startswith("scripted:")]
        chosen = self.model or SCRIPTED
        if self.model is None and self._at_terminal() and any(os.environ.get(key) for key in KEYS):
            for number, name in enumerate(offered):
                self._say(f"  {number}  {name}{'  (scripted, costs nothing)' if not number else ''}")
            answer = self.console.input("Which model is to answer? A number, or provider:model (0): ").strip() or "0"
            chosen = offered[int(answer)] if answer.isdigit() and int(answer) < len(offered) else answer
        if chosen.startswith("scripted:"):
            self._say(SCRIPTED_MEANS)
        return chosen

    def _conclude(self, found: Json, origin: Path) -> Outcome:
        """Done only where the branch stands in the origin, and what it holds passes."""
        result: Json = found["result"] or {}
        work = result.get("work")
        amiss = what_is_amiss(origin, work, found["model"]) if work and result["pushed"] else "no branch was pushed"
        if amiss is None and not (found["status"] == "completed" and result["verified"]):
            amiss = "the run's own checks did not pass"
        lines = [f"branch    {work['branch']}  ({work['commit'][:12]})" if work else "branch    none"]
        lines += [
            f"origin    {origin}",
            f"checks    {amiss or 'passed, in the run and in a fresh clone'}",
        ]
        lines += [f"spent     {found['turn']} turns, ${found['cost_usd']:.4f}; {self._seconds():.1f} s in all"]
        lines += [f"API       {found['links']['self']}", f"Temporal  {found['links']['temporal_ui']}"]
        title = f"The run is {found['status']}: no tested branch" if amiss else "Done: a tested branch"
        # No frame around it: links must stay whole, however narrow the terminal is.
        self.console.print(Rule(title, style="red" if amiss else "green"))
        self.console.print(plain("\n".join(lines)), soft_wrap=True, markup=False)
        return Outcome.FAILED if amiss else Outcome.DONE

    def _stay_or_tell(self, home: Path) -> None:
        """On a terminal the links stay good until Enter."""
        if self._at_terminal():
            self.console.input("The links work until you press [bold]Enter[/bold]. ")
        elif self.keep:
            self._say("The links work until Ctrl-C.")
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        program = sys.argv[0] if shutil.which(sys.argv[0]) else "perdure"
        self._say(f"The same run again: `{program} up --home {home}`, then `PERDURE_HOME={home} {program} show`.")

    def _at_terminal(self) -> bool:
        return bool(sys.stdin.isatty() and self.console.is_terminal)

    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)


def what_is_amiss(origin: Path, work: Json, model: str) -> str | None:
    """With the branch in the origin, as a fresh clone shows it."""
    with tempfile.TemporaryDirectory(prefix="perdure-demo-") as directory:
        clone = Path(directory, "clone")
        git(Path(directory), "clone", "--quiet", "--branch", work["branch"], str(origin), str(clone))
        if (head := git(clone, "rev-parse", "HEAD")) != work["commit"]:
            return f"the branch stands at {head}, not at {work['commit']}"
        # What a model of its own mind wrote is run in the sandbox only, where the run's own checks ran it.
        if not model.startswith("scripted:"):
            return None
        command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(clone)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(clone)}
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else f"the suite fails in a fresh clone:\n{done.stdout[-2000:]}"


def own_home(usual: Path) -> Path:
    """Beside the usual one, so that a running `up` is not disturbed; another one where a demo runs already."""
    home = Home(usual.with_name("perdure-demo"))
    home.make()
    try:
        home.lock()
    except Conflict:
        return usual.with_name(f"perdure-demo-{os.getpid()}")
    home.unlock()
    return home.path


@contextmanager
def own_stack(home: Path, sandbox: str | None) -> Generator[Json]:
    """A `perdure up` on free ports; what the caller's environment says of other stacks does not reach it."""
    command = [sys.executable, "-P", "-m", "cli", "up", "--json", "--home", str(home), "--scripted", "demo"]
    command += ["--port", "0", "--temporal-port", "0", "--ui-port", "0", *(["--sandbox", sandbox] if sandbox else [])]
    parent = os.getpid()
    stack = subprocess.Popen(
        command,
        env=_clean(os.environ) | {"PYTHONPATH": str(ROOT), "PERDURE_ALLOWED_PATHS": str(home / "samples")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: die_with(parent),
    )
    try:
        assert stack.stdout is not None
        line = stack.stdout.readline()
        if not line:
            raise WorldError("The demo's stack did not start; why stands above", "`perdure doctor` says what is amiss.")
        yield json.loads(line)
    finally:
        stack.send_signal(signal.SIGINT)
        try:
            stack.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            stack.kill()
            stack.wait()


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    elsewhere = ("PERDURE_", "TEMPORAL_", "SCRIPTED_BASE_URL", "DATABASE_URL")
    kept = {name: value for name, value in environment.items() if not name.startswith(elsewhere)}
    return kept | {"TEMPORAL_CONFIG_FILE": os.devnull}
