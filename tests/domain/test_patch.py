"""What a child changed, over files that have moved on."""

from domain.patch import changed_between, patch
from domain.snapshot import DeletedEntry, DirectoryEntry, Entry, FileEntry, LinkEntry, Manifest


def file(content: str, mode: int = 0o644) -> FileEntry:
    return FileEntry(mode=mode, size=len(content), hash=content, pack="p")


def directory(mode: int = 0o755, opaque: bool = False, base_mode: int | None = None) -> DirectoryEntry:
    return DirectoryEntry(mode=mode, opaque=opaque, base_mode=base_mode)


def manifest(**entries: Entry) -> Manifest:
    return {"workspace/" + name.replace("__", "/"): entry for name, entry in entries.items()}


def names(paths: object) -> list[str]:
    assert isinstance(paths, tuple | dict)
    return [path.removeprefix("workspace/") for path in paths]


def test_what_only_the_child_changed_is_put_or_removed() -> None:
    begin = manifest(a=file("1"), b=file("1"), c=file("1"))
    child = manifest(a=file("2"), c=file("1", 0o755), d=LinkEntry(target="a"), e=directory(), e__f=file("1"))
    found = patch(begin, child, begin | manifest(x=file("mine")))
    assert names(found.changed) == ["a", "b", "c", "d", "e", "e/f"]
    assert names(found.put) == ["a", "c", "d", "e", "e/f"]
    assert "workspace/b" in found.remove
    assert (found.conflicts, found.contests) == ((), ())


def test_what_both_did_alike_is_done_already() -> None:
    child = manifest(a=file("2"), b=DeletedEntry())
    found = patch({}, child, child)
    assert (found.put, found.remove, found.conflicts) == ({}, (), ())
    assert names(found.changed) == ["a", "b"]


def test_a_file_that_both_changed_is_a_contest_and_of_other_kinds_a_conflict() -> None:
    begin = manifest(b=file("1"), c=file("1"))
    child = manifest(a=file("2"), b=file("2"), c=DeletedEntry())
    found = patch(begin, child, manifest(a=file("3"), b=file("3", 0o755), c=file("3")))
    assert [(one.path, one.begin) for one in found.contests] == [("workspace/a", None)]
    assert names(found.conflicts) == ["b", "c"]


def test_a_directory_that_the_child_removed_or_replaced_is_one_change_and_conflicts_with_any_in_it() -> None:
    child = manifest(a=DeletedEntry(), b=directory(opaque=True, base_mode=0o755), b__new=file("1"))
    assert names(changed_between({}, child)) == ["a", "b"]
    found = patch({}, child, {})
    assert names(found.remove) == ["a", "b"]
    assert names(found.put) == ["b", "b/new"]
    there = manifest(a=directory(base_mode=0o755), a__x=file("1"), b=directory(base_mode=0o755), b__y=file("1"))
    assert names(patch({}, child, there).conflicts) == ["a", "b"]


def test_a_directory_that_both_made_holds_what_each_put_into_it() -> None:
    child = manifest(docs=directory(), docs__one=file("1"))
    found = patch({}, child, manifest(docs=directory(), docs__two=file("2")))
    assert (names(found.put), found.conflicts) == (["docs/one"], ())
    assert "workspace/docs" not in found.remove


def test_a_file_does_not_go_where_no_directory_is_any_more() -> None:
    child = manifest(a=directory(base_mode=0o755), a__new=file("1"))
    assert names(patch({}, child, manifest(a=DeletedEntry())).conflicts) == ["a/new"]
    assert names(patch({}, child, manifest(a=file("1"))).conflicts) == ["a/new"]


def test_neither_git_nor_caches_nor_what_lies_outside_are_part_of_it() -> None:
    child = manifest(b=file("1")) | {
        "workspace/.git/HEAD": file("1"),
        "workspace/__pycache__/a.pyc": file("1"),
        "home/.bashrc": file("1"),
        "tmp/x": file("1"),
        "workspace/.github/ci.yml": file("1"),
        "workspace/a-b": file("1"),
    }
    assert names(changed_between({}, child)) == [".github/ci.yml", "a-b", "b"]
