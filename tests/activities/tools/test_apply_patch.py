from tests.activities.tools.conftest import Bench

PATCH = """\
*** Begin Patch
*** Update File: src/a.py
@@ def f():
-    return 1
+    return 2
*** Add File: src/new/b.py
+x = 1
*** Delete File: old.py
*** Update File: c.sh
*** Move to: bin/c.sh
@@
-one
+two
*** End Patch
"""


async def test_all_kinds_of_change_happen_at_once(bench: Bench) -> None:
    bench.put("src/a.py", "def f():\n    return 1\n")
    bench.put("old.py", "x")
    bench.put("c.sh", "one\n", mode=0o755)
    assert await bench.said("apply_patch", patch=PATCH) == (
        "updated src/a.py\nadded src/new/b.py\ndeleted old.py\nmoved c.sh to bin/c.sh"
    )
    assert bench.text("src/a.py") == "def f():\n    return 2\n"
    assert bench.text("src/new/b.py") == "x = 1\n"
    assert not (bench.workspace / "old.py").exists()
    assert bench.text("bin/c.sh") == "two\n"
    assert (bench.workspace / "bin/c.sh").stat().st_mode & 0o777 == 0o755


async def test_a_patch_that_does_not_fit_changes_nothing(bench: Bench) -> None:
    bench.put("src/a.py", "def f():\n    return 1\n")
    bench.put("c.sh", "three\n")
    bench.put("old.py", "x")
    assert "does not fit c.sh" in await bench.refused("apply_patch", patch=PATCH)
    assert bench.text("src/a.py") == "def f():\n    return 1\n"
    assert (bench.workspace / "old.py").exists()


async def test_a_write_that_fails_says_what_was_done_before(bench: Bench) -> None:
    bench.put("a.txt", "one\n")
    patch = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+two\n*** Add File: /etc/x\n+x\n*** End Patch"
    assert (await bench.refused("apply_patch", patch=patch)).endswith("Done before it: updated a.txt.")


async def test_a_new_file_does_not_replace_one_that_is_there(bench: Bench) -> None:
    bench.put("a.txt", "one\n")
    patch = "*** Begin Patch\n*** Add File: a.txt\n+two\n*** End Patch"
    assert await bench.refused("apply_patch", patch=patch) == "a.txt exists already. Nothing was changed."
