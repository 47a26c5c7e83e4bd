import os
from pathlib import Path

import pytest

from adapters.repositories.local import find_local
from domain.errors import RepositoryRefused
from tests.fixtures.git_server import git, make_repository


def refused(path: Path | str, *allowed: Path) -> RepositoryRefused:
    with pytest.raises(RepositoryRefused) as raised:
        find_local(str(path), tuple(str(root) for root in allowed))
    assert raised.value.next_step
    return raised.value


def test_a_repository_below_an_allowed_directory_is_found(source: Path, place: Path) -> None:
    found = find_local(str(source), (str(place),))
    assert (found.path, found.git_dir, found.owner[0]) == (source, source / ".git", os.geteuid())


def test_a_bare_repository_and_a_linked_work_tree_are_found(source: Path, place: Path) -> None:
    git(place, "clone", "--quiet", "--bare", str(source), "bare.git")
    git(source, "worktree", "add", "--quiet", str(place / "tree"))
    assert find_local(str(place / "bare.git"), (str(place),)).git_dir == place / "bare.git"
    assert find_local(str(place / "tree"), (str(place),)).git_dir == source / ".git/worktrees/tree"


def test_nothing_is_allowed_where_no_directory_is(source: Path) -> None:
    assert "PERDURE_ALLOWED_PATHS" in refused(source).next_step


def test_a_path_outside_is_refused_whether_it_exists_or_not(source: Path, place: Path, tmp_path: Path) -> None:
    there, absent = refused(source, tmp_path), refused(place / "absent", tmp_path)
    assert there.message.replace(str(source), "X") == absent.message.replace(str(place / "absent"), "X")
    refused(f"{tmp_path}/../{source.relative_to('/')}", tmp_path)
    refused(f"{tmp_path}-sibling", tmp_path)


def test_a_link_that_leads_outside_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    refused(tmp_path / "link", tmp_path)


def test_a_git_file_that_points_outside_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/.git").write_text(f"gitdir: {source}/.git\n")
    refused(tmp_path / "app", tmp_path)


def test_borrowed_objects_and_common_directories_outside_are_refused(source: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--shared", str(source), "borrower")
    assert "a part of it" in refused(tmp_path / "borrower", tmp_path).message
    make_repository(tmp_path / "other", {"a": "b"})
    (tmp_path / "other/.git/commondir").write_text(f"{source}/.git\n")
    refused(tmp_path / "other", tmp_path)


def test_objects_that_are_a_link_to_outside_are_refused(source: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "app", {"a": "b"})
    objects = tmp_path / "app/.git/objects"
    objects.rename(tmp_path / "app/.git/own")
    objects.symlink_to(source / ".git/objects")
    refused(tmp_path / "app", tmp_path)


def test_a_shallow_clone_is_refused_with_the_command_that_mends_it(source: Path, place: Path) -> None:
    git(source, "commit", "--quiet", "--allow-empty", "--message", "second")
    git(place, "clone", "--quiet", "--depth", "1", f"file://{source}", "shallow")
    assert "--unshallow" in refused(place / "shallow", place).next_step


def test_what_is_no_repository_says_where_one_is(source: Path, place: Path) -> None:
    assert str(source) in refused(source / "src", place).next_step
    (place / "plain").mkdir()
    assert "git init" in refused(place / "plain", place).next_step
    assert "does not exist" in refused(place / "absent", place).message
