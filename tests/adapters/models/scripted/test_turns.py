"""Which turn a question gets."""

import pytest

from adapters.models.scripted.question import Cache, Question, WireProblem
from adapters.models.scripted.script import read_script
from adapters.models.scripted.turns import Choice, choose
from domain.model import Usage

SCRIPT = read_script("""
latency_ms: 5
conversations:
  - when: {tool: plan, system: careful}
    turns: [{text: a careful plan}]
  - when: {tool: plan}
    turns: [{text: a plan}]
  - when: {user: branch}
    turns:
      - choose:
          - {matches: '^\\d+ failed', text: mend it, calls: [{name: bash, arguments: {command: "fix {n}"}}]}
          - {matches: passed, text: done}
        text: neither
  - when: {user: expect}
    turns: [{expect: [one, "turn {n}"], text: both}]
  - turns:
      - text: first of {n}
        latency_ms: 0
      - repeat: {turns: 3}
        calls: [{name: bash, arguments: {command: "echo {n}", list: ["{n}", 7]}}]
      - repeat: {turns: "{arg}"}
        text: "{n} of {arg}"
      - {calls: [{name: fly, unknown: true, arguments: "{oops"}], stop: length, usage: {input_tokens: 9}}
      - calls: [{name: fly}]
""")


def question(
    turn: int = 0,
    tools: tuple[str, ...] = ("bash",),
    first_user: str = "task",
    since: str = "",
    system: str = "",
    model: str = "script@2",
    characters: int = 400,
    cached: int = 0,
    cache: Cache = "implicit",
) -> Question:
    return Question(
        model=model,
        system=system,
        tools=tools,
        first_user=first_user,
        since=since,
        turn=turn,
        characters=characters,
        cached_characters=cached,
        cache=cache,
        stream=True,
    )


def refusal(asked: Question) -> WireProblem:
    with pytest.raises(WireProblem) as caught:
        choose(SCRIPT, asked)
    assert caught.value.status == 422
    return caught.value


def said(asked: Question) -> Choice:
    return choose(SCRIPT, asked)


def test_the_first_conversation_that_fits_is_taken():
    assert said(question(tools=("bash", "plan"), system="be careful")).said.text == "a careful plan"
    assert said(question(tools=("bash", "plan"))).said.text == "a plan"
    assert said(question()).said.text == "first of 1"


def test_the_turn_follows_from_the_number_of_answers_alone():
    commands = [str(said(question(turn=turn)).said.calls[0].arguments) for turn in (1, 2, 3)]
    assert commands == [str({"command": f"echo {n}", "list": [str(n), 7]}) for n in (2, 3, 4)]
    assert said(question(turn=2)) == said(question(turn=2))


def test_the_name_says_how_often_a_turn_repeats():
    assert [said(question(turn=turn)).said.text for turn in (4, 5)] == ["5 of 2", "6 of 2"]
    assert said(question(turn=6, model="script@2")).stop == "length"
    assert "@NUMBER" in refusal(question(turn=4, model="script")).message


def test_what_was_said_since_chooses_the_branch():
    chosen = said(question(first_user="branch", since="x\n2 failed, 1 passed"))
    assert chosen.said.text == "mend it"
    assert chosen.said.calls[0].arguments == {"command": "fix 1"}
    assert said(question(first_user="branch", since="3 passed")).said.text == "done"
    assert said(question(first_user="branch", since="?")).said.text == "neither"


def test_what_was_expected_and_did_not_come_is_told():
    assert said(question(first_user="expect", since="one, turn 1")).said.text == "both"
    problem = refusal(question(first_user="expect", since="one, turn 2"))
    assert "expected 'turn 1'" in problem.message
    assert "one, turn 2" in problem.message


def test_a_tool_that_is_not_offered_is_not_called_unless_it_is_meant():
    assert said(question(turn=6)).said.calls[0].name == "fly"
    assert "fly is not offered; offered: bash" in refusal(question(turn=7)).message


def test_a_script_that_has_ended_says_so():
    assert "ended" in refusal(question(turn=8)).message


def test_no_conversation_for_a_question_is_told_with_what_was_offered():
    script = read_script("conversations: [{when: {tool: x}, turns: [{text: y}]}]")
    with pytest.raises(WireProblem, match="no conversation fits; offered tools: bash"):
        choose(script, question())


def test_latency_is_the_scripts_unless_the_turn_has_its_own():
    assert said(question()).latency_ms == 0
    assert said(question(turn=1)).latency_ms == 5


@pytest.mark.parametrize(
    ("cache", "usage"),
    [
        ("implicit", Usage(input_tokens=40, cache_read_tokens=60, output_tokens=3)),
        ("explicit", Usage(cache_write_tokens=40, cache_read_tokens=60, output_tokens=3)),
        ("none", Usage(input_tokens=100, output_tokens=3)),
    ],
)
def test_usage_is_computed_from_lengths(cache: Cache, usage: Usage):
    assert said(question(characters=400, cached=240, cache=cache)).usage == usage


def test_a_script_may_say_its_usage():
    assert said(question(turn=6)).usage == Usage(input_tokens=9)


def test_reasoning_counts_as_output():
    script = read_script("conversations: [{turns: [{text: abcd, reasoning: abcdefgh}]}]")
    usage = choose(script, question()).usage
    assert (usage.output_tokens, usage.reasoning_tokens) == (3, 2)
