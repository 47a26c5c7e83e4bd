"""Which turn a question gets, from the question alone."""

import re
from typing import Any

from adapters.models.scripted.question import Question, WireProblem
from adapters.models.scripted.script import Conversation, Saying, Script, Turn, When
from domain.model import Usage
from domain.value import Value

CHARACTERS_PER_TOKEN = 4


class Choice(Value):
    said: Saying
    stop: str
    usage: Usage
    latency_ms: int
    piece_characters: int
    piece_ms: int


def choose(script: Script, question: Question) -> Choice:
    """Raises WireProblem 422 where the script has nothing for this, or expected something else."""
    where = f"script {question.model}, turn {question.turn + 1}"
    arg = question.model.partition("@")[2]
    conversation = next((each for each in script.conversations if _holds(each.when, question)), None)
    if conversation is None:
        raise WireProblem(422, f"{where}: no conversation fits; offered tools: {', '.join(question.tools)}")
    turn = _turn(conversation, question.turn, arg, where)
    expected = (turn.expect,) if isinstance(turn.expect, str) else turn.expect
    for wanted in expected:
        wanted = _fill(wanted, question.turn + 1, arg)
        if wanted not in question.since:
            raise WireProblem(422, f"{where}: expected {wanted!r} in what was sent: {question.since[-1500:]!r}")
    branches = (branch for branch in turn.choose if re.search(branch.matches, question.since, re.MULTILINE))
    said = _filled(next(branches, turn), question.turn + 1, arg)
    _check_said(said, question, where)
    return Choice(
        said=said,
        stop=said.stop or ("tool_calls" if said.calls else "end"),
        usage=said.usage or _usage(said, question),
        latency_ms=script.latency_ms if turn.latency_ms is None else turn.latency_ms,
        piece_characters=script.piece_characters,
        piece_ms=script.piece_ms,
    )


def _holds(when: When, question: Question) -> bool:
    return (
        (when.tool is None or when.tool in question.tools)
        and (when.system is None or when.system in question.system)
        and (when.user is None or when.user in question.first_user)
    )


def _turn(conversation: Conversation, index: int, arg: str, where: str) -> Turn:
    for turn in conversation.turns:
        length = 1
        if turn.repeat is not None:
            length = turn.repeat.turns if isinstance(turn.repeat.turns, int) else _number(arg, where)
        if index < length:
            return turn
        index -= length
    raise WireProblem(422, f"{where}: the script has ended")


def _number(arg: str, where: str) -> int:
    if not arg.isdigit():
        raise WireProblem(422, f"{where}: this script repeats as often as its name says: add @NUMBER to it")
    return int(arg)


def _filled(said: Saying, number: int, arg: str) -> Saying:
    calls = tuple(
        call.model_copy(update={"arguments": _fill(call.arguments, number, arg)}) if call.arguments else call
        for call in said.calls
    )
    return said.model_copy(
        update={
            "text": _fill(said.text, number, arg),
            "reasoning": _fill(said.reasoning, number, arg),
            "calls": calls,
        }
    )


def _fill(value: Any, number: int, arg: str) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(number)).replace("{arg}", arg)
    if isinstance(value, dict):
        return {key: _fill(each, number, arg) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, number, arg) for each in value]
    return value


def _check_said(said: Saying, question: Question, where: str) -> None:
    for call in said.calls:
        if not call.unknown and call.name not in question.tools:
            offered = ", ".join(question.tools) or "none"
            raise WireProblem(422, f"{where}: the tool {call.name} is not offered; offered: {offered}")


def tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def _usage(said: Saying, question: Question) -> Usage:
    cached = 0 if question.cache == "none" else tokens(question.cached_characters)
    new = max(tokens(question.characters) - cached, 0)
    spoken = len(said.text) + sum(len(call.name) + len(str(call.arguments)) for call in said.calls)
    reasoning = tokens(len(said.reasoning))
    return Usage(
        input_tokens=0 if question.cache == "explicit" else new,
        cache_read_tokens=cached,
        cache_write_tokens=new if question.cache == "explicit" else 0,
        output_tokens=max(tokens(spoken) + reasoning, 1),
        reasoning_tokens=reasoning,
    )
