"""A run as people read it."""

import io
from typing import Any

from rich.console import Console

from cli.render import run_panel

NOTHING = {"input_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, "output_tokens": 0}


def shown(more: dict[str, Any] | None = None, **result: Any) -> str:
    opened = result.get("pull_request")
    plain = {"summary": "Mended.", "next_step": "", "work": None, "pushed": True, "verified": True}
    run = {
        "id": "r1",
        "task": "Mend",
        "status": "completed",
        "waiting_for": None,
        "waiting_reason": "",
        "waiting_until": None,
        "repository": None,
        "agent": "coder",
        "model": "a:b",
        "model_now": "a:b",
        "model_changes": 0,
        "resent_tokens": 0,
        "turn": 1,
        "cost_usd": 0.0,
        "usage": NOTHING,
        "limits": {},
        "limits_left": {},
        "plan": None,
        "sandbox": None,
        "todo": [],
        "pull_request": opened,
        "lineage": None,
        "superseded_by": None,
        "links": {"self": "http://x/v1/runs/r1", "temporal_ui": "http://x/ui"},
        "result": {**plain, "pull_request": None, **result},
        **(more or {}),
    }
    out = io.StringIO()
    Console(file=out, width=100).print(run_panel(run, []), soft_wrap=True)
    return out.getvalue()


def test_a_change_of_the_model_is_shown_with_what_it_sent_anew() -> None:
    said = shown({"model_now": "c:d", "model_changes": 2, "resent_tokens": 12345})
    assert "c:d answers now; 2 changes, 12,345 tokens sent anew" in said
    assert "answers now" not in shown()


def test_a_wait_is_shown_with_its_end() -> None:
    waiting = {"waiting_for": "provider", "waiting_reason": "429", "waiting_until": "2026-11-01T10:00:00Z"}
    assert "2026-11-01T10:00:00Z" in shown({"status": "waiting", **waiting})


def test_a_runs_pull_request_is_shown_with_its_address_and_notes() -> None:
    opened = {"number": 3, "url": "https://github.com/team/app/pull/3", "head": "perdure/x", "base": "main"}
    told = shown(pull_request={**opened, "draft": True, "state": "open", "notes": ["Reviews: stranger"]})
    assert "#3 (draft) of perdure/x into main" in told
    assert "Reviews: stranger" in told
    assert "https://github.com/team/app/pull/3" in told
    assert "PR " not in shown()


def test_a_fork_says_where_it_comes_from_and_a_rewound_run_what_took_its_place() -> None:
    fork = {"parent": "r0", "at": "turn/3", "turns": 3, "cost_usd": 0.5, "race": "x1", "replaces": False}
    told = shown({"lineage": fork, "kept": True})
    assert "from r0" in told
    assert "at turn/3 (3 turns and $0.5000 before)" in told
    assert "kept, as the first" in told
    assert "by r2" in shown({"superseded_by": "r2"})
