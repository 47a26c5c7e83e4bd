from activities.tools import TOOLS
from tests.activities.tools.conftest import Bench


async def test_without_a_person_it_tells_the_model_to_decide(bench: Bench) -> None:
    assert TOOLS["ask_human"].definition.tool_class == "human"
    outcome = await bench.do("ask_human", question="Which one?", options=("a", "b"))
    assert outcome.result.is_error and "Decide yourself" in outcome.result.text
