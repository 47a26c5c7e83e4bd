import pytest

from adapters.prompts import FilePrompts
from domain.agents import AGENTS
from domain.errors import NotFound


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_kind_has_its_prompt(name: str) -> None:
    assert len(FilePrompts().instructions(AGENTS[name].instructions)) > 500


@pytest.mark.parametrize("name", ["nobody", "../../pyproject", "coder.md", ""])
def test_what_is_no_prompt_is_not_read(name: str) -> None:
    with pytest.raises(NotFound):
        FilePrompts().instructions(name)
