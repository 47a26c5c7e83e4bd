from domain.approval import Plan, PlanStep
from tests.activities.tools.conftest import Bench


async def test_a_plan_ends_the_phase(bench: Bench) -> None:
    outcome = await bench.do("propose_plan", summary="s", steps=({"title": "a", "detail": "b"},), risks=("r",))
    assert outcome.finished
    assert outcome.plan == Plan(summary="s", steps=(PlanStep(title="a", detail="b"),), risks=("r",))
