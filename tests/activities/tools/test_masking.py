"""What looks like a secret is hidden in what tools answer, and stays what it is in files."""

from pathlib import Path

from tests.activities.tools.conftest import Bench

TOKEN = "ghp_q7Zp2Lx9Vb4Nf8Rt1Kd6Wm3Hs5Yc0Jgabcd5"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQq7Zp2Lx9Vb4N"
KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END PRIVATE KEY-----\n"


async def test_every_tool_that_shows_content_hides_a_secret_in_it(bench: Bench) -> None:
    bench.put(".env", f"NAME=x\nTOKEN={TOKEN}\n")
    said = [
        await bench.said("bash", command="cat .env"),
        await bench.said("bash", command="cat .env >&2; exit 3"),
        await bench.said("read", path=".env"),
        await bench.said("search", pattern="TOKEN", path=".env"),
        await bench.said("edit", path=".env", old="NAME=x", new="NAME=y"),
    ]
    assert [text for text in said if TOKEN in text or "[secret: github token]" not in text] == []
    assert bench.text(".env") == f"NAME=y\nTOKEN={TOKEN}\n"


async def test_lines_after_a_hidden_key_keep_their_numbers(bench: Bench) -> None:
    bench.put("key.pem", f"first\n{KEY}last\n")
    said = await bench.said("read", path="key.pem")
    assert BODY not in said
    assert "     2\t[secret: private key]\n" in said
    assert said.endswith("     6\tlast")


async def test_a_secret_at_the_cut_shows_no_half_and_the_whole_output_is_masked_too(bench: Bench) -> None:
    bench.put(".env", f"TOKEN={TOKEN}\n")
    for before in range(4950, 5010, 7):
        outcome = await bench.do("bash", command=f"printf '%{before}s' ' '; cat .env; seq 9000; cat .env")
        assert "ghp_" not in outcome.result.text
        path = outcome.result.text.partition("all of it is in ")[2].partition("]")[0]
        assert await bench.said("bash", command=f"grep -c ghp_ {path}") == "0\n[exit code 1]"
        assert int(await bench.said("bash", command=f"grep -c 'github token' {path}")) == 2


async def test_masked_output_keeps_to_the_bytes_that_are_shown(bench: Bench) -> None:
    bench.put("urls", "ftp://u:abc@h \n" * 600)
    outcome = await bench.do("bash", command="cat urls")
    assert "abc" not in outcome.result.text
    assert len(outcome.result.text.encode()) < 10_300
    assert outcome.result.output_ref is not None


async def test_a_variable_that_holds_a_secret_is_not_kept_and_the_model_is_told(bench: Bench) -> None:
    said = await bench.said("bash", command=f"export KEPT=yes STOLEN={TOKEN}")
    assert "Not kept, as what they hold looks like a secret: STOLEN." in said
    assert bench.environment.get("KEPT") == "yes"
    assert "STOLEN" not in bench.environment


async def test_no_scratch_file_is_left(bench: Bench, open_home: Path) -> None:
    bench.put(".env", f"TOKEN={TOKEN}\n")
    await bench.said("bash", command="cat .env")
    await bench.said("bash", command="cat .env; seq 9000")
    assert list((open_home / "outputs" / ".pending").iterdir()) == []


async def test_what_stands_for_a_secret_is_never_written_in_its_place(bench: Bench) -> None:
    hidden, was = "TOKEN=[secret: github token]", f"NAME=x\nTOKEN={TOKEN}\n"
    bench.put(".env", was)
    patch = f"*** Begin Patch\n*** Update File: .env\n@@\n-NAME=x\n+NAME=y\n+{hidden}\n*** End Patch"
    added = f"*** Begin Patch\n*** Add File: new\n+{hidden}\n*** End Patch"
    refused = [
        await bench.refused("write", path=".env", content=f"NAME=y\n{hidden}\n"),
        await bench.refused("write", path="new", content=hidden),
        await bench.refused("edit", path=".env", old=f"NAME=x\n{hidden}", new="NAME=y"),
        await bench.refused("edit", path=".env", old="NAME=x", new=f"NAME=y\n{hidden}"),
        await bench.refused("apply_patch", patch=patch),
        await bench.refused("apply_patch", patch=added),
    ]
    assert [text for text in refused if "stands for a secret that is hidden" not in text] == []
    assert bench.text(".env") == was
    assert not (bench.workspace / "new").exists()


async def test_a_file_that_speaks_of_hidden_secrets_can_be_changed(bench: Bench) -> None:
    bench.put("doc.md", "It shows as [secret: github token].\n")
    await bench.said("edit", path="doc.md", old="It shows", new="This shows")
    await bench.said("write", path="doc.md", content="As [secret: github token]; not as [secret: anything].\n")
    assert bench.text("doc.md") == "As [secret: github token]; not as [secret: anything].\n"
