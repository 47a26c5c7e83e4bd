"""Trees by descriptor: deep, shut or full of links, and nothing outside is touched."""

import os
import stat
from pathlib import Path

import pytest

from adapters.workspaces.tree import Tree, is_whiteout, make_whiteout, remove_path


def test_paths_are_found_at_any_depth(tmp_path: Path) -> None:
    with Tree(tmp_path) as tree:
        path = ""
        for _ in range(1200):
            os.mkdir("name", dir_fd=tree.directory(path))
            path = f"{path}/name".strip("/")
        with pytest.raises(FileNotFoundError):
            tree.directory(f"{path}/name")
        assert tree.lstat(path) is not None
        assert tree.lstat("name/name/none") is None
        tree.forget("name")
        assert tree.directory("name/name") >= 0
        assert len(list(Path("/proc/self/fd").iterdir())) < 200
    remove_path(tmp_path / "name")
    assert list(tmp_path.iterdir()) == []


def test_links_are_no_directories(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("kept")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside")
    with Tree(tmp_path / "tree") as tree:
        with pytest.raises(NotADirectoryError):
            tree.directory("link")
        assert tree.lstat("link/file") is None
    with pytest.raises(NotADirectoryError):
        Tree(tmp_path / "tree" / "link")
    remove_path(tmp_path / "tree" / "link")
    remove_path(tmp_path / "tree")
    assert (tmp_path / "outside" / "file").read_text() == "kept"


def test_shut_directories_are_opened_and_shut_again(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b").chmod(0o000)
    (tmp_path / "a").chmod(0o555)
    with Tree(tmp_path, unlock=True) as tree:
        os.mkdir("c", dir_fd=tree.directory("a/b"))
        assert tree.mode("a/b") == 0
        assert tree.mode("a") == 0o555
        tree.lock_again()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o555
    (tmp_path / "a").chmod(0o755)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0


def test_everything_can_be_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for name in ("a/b/c", "a/b2/c", "x/y", "x/b"):
        (top / name).mkdir(parents=True)
        (top / name / "file").write_text("1")
        (top / name / "link").symlink_to("nowhere")
        os.mkfifo(top / name / "pipe")
        (top / name).chmod(0o000)
    for name in ("a/b", "a", "x"):
        (top / name).chmod(0o500)
    with Tree(top, unlock=True) as tree:
        make_whiteout(tree.directory(""), "whiteout")
        found = tree.lstat("whiteout")
        assert found is not None
        assert is_whiteout(found)
    remove_path(top)
    remove_path(top)
    remove_path(top / "below")
    assert list(tmp_path.iterdir()) == []
