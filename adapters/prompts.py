"""The prompts that ship with Perdure, read from where they stand beside the agent kinds."""

from functools import cache
from importlib.resources import files

from domain.errors import NotFound


class FilePrompts:
    def instructions(self, name: str) -> str:
        return _read(name)


@cache
def _read(name: str) -> str:
    if not name.isidentifier():
        raise NotFound(f"{name!r} is no name of a prompt")
    prompt = files("domain.agents").joinpath(f"{name}.md")
    if not prompt.is_file():
        raise NotFound(f"there is no prompt {name}.md beside the agent kinds", "Add the file to domain/agents/.")
    return prompt.read_text(encoding="utf-8")
