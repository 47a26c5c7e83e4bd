"""Manifests stack as the kernel stacks layers, and equal workspaces have equal ids."""

from hypothesis import given
from hypothesis import strategies as st

from domain.snapshot import (
    DeletedEntry,
    DirectoryEntry,
    Entry,
    FileEntry,
    LinkEntry,
    Manifest,
    content_id,
    hidden_by,
    id_of_lines,
    identity_lines,
    is_incidental,
    merge,
    snapshot_id,
)


def file(content: str, mode: int = 0o644, mtime_ns: int = 0) -> FileEntry:
    return FileEntry(mode=mode, size=len(content), hash=content, pack="p", mtime_ns=mtime_ns)


def folder(*, opaque: bool = False, base_mode: int | None = None, mode: int = 0o755) -> DirectoryEntry:
    return DirectoryEntry(mode=mode, opaque=opaque, base_mode=base_mode)


def test_a_file_in_place_of_a_directory_hides_what_was_below_it() -> None:
    before: Manifest = {"w/d": folder(), "w/d/a": file("1"), "w/d-": file("2"), "w/d0": file("3"), "w/d/e/f": file("4")}
    after = merge(before, {"w": folder(), "w/d": file("now")})
    assert set(after) == {"w", "w/d", "w/d-", "w/d0"}
    assert sorted(hidden_by(before, {"w/d": DeletedEntry()})) == ["w/d/a", "w/d/e/f"]


def test_a_plain_directory_leaves_what_is_below_it_and_an_opaque_one_does_not() -> None:
    before: Manifest = {"w/d": folder(), "w/d/a": file("1")}
    assert "w/d/a" in merge(before, {"w/d": folder()})
    assert merge(before, {"w/d": folder(opaque=True)}) == {"w/d": folder()}
    hides_the_base = merge(before, {"w/d": folder(opaque=True, base_mode=0o700)})
    assert hides_the_base == {"w/d": folder(opaque=True, base_mode=0o700)}


def test_a_directory_stays_opaque_until_it_is_replaced() -> None:
    opaque: Manifest = {"w/d": folder(opaque=True, base_mode=0o755)}
    assert merge(opaque, {"w/d": folder(base_mode=0o755)}) == opaque
    assert merge(opaque, {"w/d": file("x")}) == {"w/d": file("x")}


def test_deleting_what_only_the_run_made_leaves_no_word_of_it() -> None:
    before: Manifest = {"w/new": file("1"), "w/old": file("2")}
    delta: dict[str, Entry] = {"w/new": DeletedEntry(in_base=False), "w/old": DeletedEntry()}
    assert merge(before, delta) == {"w/old": DeletedEntry()}


def test_times_packs_and_untouched_directories_are_not_in_the_id() -> None:
    one: Manifest = {"w": folder(base_mode=0o755), "w/a": file("1", mtime_ns=1)}
    other: Manifest = {"w/a": file("1", mtime_ns=2).model_copy(update={"pack": "q"})}
    assert snapshot_id("base", one) == snapshot_id("base", other)
    assert snapshot_id("base", one) != snapshot_id("another", one)
    assert snapshot_id("base", one) != snapshot_id("base", {**one, "w/a": file("1", mode=0o600)})
    assert snapshot_id("base", one) != snapshot_id("base", {**one, "w": folder(base_mode=0o700)})


def test_the_content_id_leaves_caches_out() -> None:
    one: Manifest = {"workspace/a.py": file("1"), "workspace/.git/index": file("2"), "workspace/x/a.pyc": file("3")}
    assert content_id("b", one) == content_id("b", {"workspace/a.py": file("1")})
    assert is_incidental("home/__pycache__/x")
    assert not is_incidental("workspace/.git/HEAD")


def test_names_that_are_not_utf_8_have_an_id() -> None:
    manifest: Manifest = {"w/\udcff\n": LinkEntry(target="\udcfe")}
    assert len(snapshot_id("b", manifest)) == 64


paths = st.sampled_from(["a", "a/b", "a/b/c", "a-", "a0", "d", "d/e", "d/e/f"])
entries = st.one_of(
    st.builds(file, st.sampled_from(["1", "22"])),
    st.builds(folder, opaque=st.booleans(), base_mode=st.sampled_from([None, 0o755])),
    st.builds(LinkEntry, target=st.just("t")),
    st.builds(DeletedEntry, in_base=st.booleans()),
)
deltas = st.lists(st.dictionaries(paths, entries, max_size=5), max_size=5)


@given(deltas)
def test_an_id_kept_up_line_by_line_is_the_id_of_the_whole(steps: list[dict[str, Entry]]) -> None:
    manifest: Manifest = {}
    lines: dict[str, str] = {}
    for delta in steps:
        merged = merge(manifest, delta)
        lines = {path: line for path, line in lines.items() if path in merged and path not in delta}
        lines |= identity_lines({path: merged[path] for path in delta if path in merged})
        manifest = merged
        assert id_of_lines("base", lines) == snapshot_id("base", manifest)


@given(deltas)
def test_nothing_stands_below_what_a_delta_replaced(steps: list[dict[str, Entry]]) -> None:
    manifest: Manifest = {}
    for delta in steps:
        manifest = merge(manifest, delta)
        for path, entry in delta.items():
            if not isinstance(entry, DirectoryEntry) or entry.opaque:
                assert not [known for known in manifest if known.startswith(path + "/") and known not in delta]
