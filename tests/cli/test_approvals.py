import json

from cli.sample import TASK, VERIFY, git, make_sample
from tests.cli.conftest import Up, perdure


def test_a_plan_waits_for_a_word_and_the_work_is_published_and_applied(up: Up) -> None:
    place = up.home.parent / "approved"
    origin = make_sample(place)
    wanted = ("--repo", str(origin), "--model", "scripted:demo", "--plan-approval", "--verify", VERIFY)
    asked = perdure(up.home, "run", TASK, *wanted, "--follow")
    assert asked.returncode == 4, asked.stdout + asked.stderr
    run_id = asked.stdout.split()[-2]
    assert f"perdure approve {run_id} plan/2" in asked.stdout
    shown = perdure(up.home, "show", run_id)
    assert "plan/2" in shown.stdout
    assert perdure(up.home, "approve", run_id, "--reason", "Go on").returncode == 0
    watched = perdure(up.home, "watch", run_id)
    assert watched.returncode == 0, watched.stdout
    assert "approved by admin: Go on" in watched.stdout
    work = json.loads(perdure(up.home, "show", run_id, "--json").stdout)["result"]["work"]
    assert git(origin, "rev-parse", work["branch"]) == work["commit"]
    checkout = place / "slugkit"
    applied = perdure(up.home, "apply", run_id, cwd=checkout)
    assert applied.returncode == 0, applied.stderr
    assert git(checkout, "diff", "--cached", "--name-only") == "slugkit/slug.py"
    assert "here already" in perdure(up.home, "apply", run_id, cwd=checkout).stdout
    assert "+_BETWEEN_WORDS" in perdure(up.home, "diff", run_id).stdout
    (checkout / "slugkit/slug.py").write_text("nothing of what it was\n")
    unfit = perdure(up.home, "apply", run_id, cwd=checkout)
    assert unfit.returncode == 5
    assert "nothing was changed" in unfit.stderr


def test_a_rejected_plan_is_told_to_the_model_and_a_second_word_is_refused(up: Up) -> None:
    origin = make_sample(up.home.parent / "rejected")
    wanted = ("--repo", str(origin), "--model", "scripted:demo", "--plan-approval")
    run_id = perdure(up.home, "run", TASK, *wanted, "--follow").stdout.split()[-2]
    assert perdure(up.home, "reject", run_id, "plan/2", "--reason", "Too bold").returncode == 0
    again = perdure(up.home, "approve", run_id, "plan/2")
    assert again.returncode == 5
    assert "decided already" in again.stderr
    # The script has no second plan to offer.
    assert perdure(up.home, "watch", run_id).returncode == 1
