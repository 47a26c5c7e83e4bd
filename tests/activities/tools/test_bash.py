from time import monotonic

import pytest

from tests.activities.tools.conftest import Bench


async def test_output_and_exit_code_are_said(bench: Bench) -> None:
    outcome = await bench.do("bash", command="echo out; echo err >&2; exit 3")
    assert outcome.result.text == "out\nerr\n[exit code 3]"
    assert (outcome.result.exit_code, outcome.result.is_error) == (3, False)


async def test_a_silent_success_says_so(bench: Bench) -> None:
    assert await bench.said("bash", command="true") == "(no output)"


async def test_working_directory_and_exports_are_kept(bench: Bench) -> None:
    await bench.do("bash", command="mkdir -p 'a b' && cd 'a b' && export GREETING=$'hello\nworld' && plain=1")
    assert bench.cwd == "/workspace/a b"
    assert bench.environment == {"GREETING": "hello\nworld"}
    assert await bench.said("bash", command='pwd; echo "$GREETING" "${plain-unset}"') == (
        "/workspace/a b\nhello\nworld unset"
    )


async def test_an_unchanged_shell_records_nothing(bench: Bench) -> None:
    await bench.do("bash", command="export A=1")
    outcome = await bench.do("bash", command="true")
    assert (outcome.cwd, outcome.environment) == (None, None)


async def test_an_unset_export_is_gone(bench: Bench) -> None:
    await bench.do("bash", command="export A=1")
    await bench.do("bash", command="unset A")
    assert bench.environment == {}


@pytest.mark.parametrize("ending", ["exit 4", "false; set -e; false", "set -u; echo $nothing", "cd /nowhere"])
async def test_a_failing_command_keeps_its_shell_too(bench: Bench, ending: str) -> None:
    outcome = await bench.do("bash", command=f"export A=1; cd /tmp; {ending}")
    assert outcome.result.exit_code != 0
    assert (bench.cwd, bench.environment) == ("/tmp", {"A": "1"})


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "BASH_ENV", "GIT_DIR", "GIT_SSH_COMMAND", "PROMPT_COMMAND", "IFS", "ENV", "BASH_FUNC_x%%"]
)
async def test_what_would_poison_later_calls_is_not_kept(bench: Bench, name: str) -> None:
    setting = "x() { :; }; export -f x" if "%" in name else f"export {name}=/tmp/x"
    await bench.do("bash", command=f"{setting}; export KEPT=1")
    assert bench.environment == {"KEPT": "1"}


async def test_a_timeout_kills_and_keeps_the_former_shell(bench: Bench) -> None:
    await bench.do("bash", command="cd /tmp; export A=1")
    outcome = await bench.do("bash", command="cd /; export A=2; touch /workspace/made; sleep 60", timeout_seconds=1)
    assert "longer than 1 s" in outcome.result.text
    assert outcome.result.is_error
    assert (bench.cwd, bench.environment) == ("/tmp", {"A": "1"})
    assert (bench.workspace / "made").exists()


async def test_a_deleted_working_directory_falls_back_to_the_workspace(bench: Bench) -> None:
    await bench.do("bash", command="mkdir gone && cd gone")
    await bench.do("bash", command="rmdir ../gone")
    assert await bench.said("bash", command="pwd") == "[/workspace/gone is gone; now in /workspace]\n/workspace"
    assert bench.cwd == "/workspace"


async def test_long_output_is_cut_and_the_whole_can_be_read(bench: Bench) -> None:
    outcome = await bench.do("bash", command="seq 1 100000")
    text = outcome.result.text
    assert len(text) < 10_300
    assert text.startswith("1\n2\n") and text.endswith("99999\n100000")
    assert "of 588,895 bytes left out here; all of it is in /outputs/1-1" in text
    assert outcome.result.output_ref
    assert await bench.said("bash", command="sed -n 50000p /outputs/1-1; wc -l < /outputs/1-1") == "50000\n100000"


async def test_binary_and_coloured_output_becomes_text(bench: Bench) -> None:
    said = await bench.said("bash", command=r"printf '\033[31mred\033[0m \000\377 caf\303\251\n'")
    assert said == "red \ufffd\ufffd café"


async def test_there_is_no_terminal_and_no_input(bench: Bench) -> None:
    said = await bench.said("bash", command="tty; cat; git config --global --edit; echo $PAGER $CI")
    assert "not a tty" in said
    assert said.endswith("cat 1")


async def test_a_background_process_does_not_hold_the_call(bench: Bench) -> None:
    began = monotonic()
    assert await bench.said("bash", command="sleep 60 & echo started") == "started"
    assert monotonic() - began < 20


async def test_scripts_may_use_descriptor_three_and_their_own_exit_trap(bench: Bench) -> None:
    assert await bench.said("bash", command="exec 3>/tmp/x; echo hi >&3; exec 3>&-; cat /tmp/x") == "hi"
    assert await bench.said("bash", command="cd /; trap 'echo bye' EXIT") == "bye"
    assert bench.cwd == "/workspace"


async def test_a_syntax_error_is_an_answer(bench: Bench) -> None:
    outcome = await bench.do("bash", command="if true; then")
    assert "syntax error" in outcome.result.text
    assert outcome.result.exit_code != 0


async def test_exports_too_large_to_keep_are_said(bench: Bench) -> None:
    await bench.do("bash", command="export A=1")
    said = await bench.said("bash", command="export BIG=$(head -c 40000 /dev/zero | tr '\\0' x); cd /tmp")
    assert "too large and were not kept" in said
    assert (bench.cwd, bench.environment) == ("/tmp", {"A": "1"})


async def test_commands_that_no_shell_takes_are_mistakes(bench: Bench) -> None:
    assert "NUL" in await bench.refused("bash", command="echo \0")
    assert "Write it to a file" in await bench.refused("bash", command="#" + "x" * 100_001)


async def test_a_signal_is_named(bench: Bench) -> None:
    assert "[exit code 139: killed by signal 11]" in await bench.said("bash", command="sh -c 'kill -SEGV $$'")
