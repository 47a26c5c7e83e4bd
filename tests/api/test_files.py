import pytest

from api.files import asked_path, entry_view, inside
from domain.errors import InvalidRequest
from domain.snapshot import FileEntry


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"path=src/app.py", "workspace/src/app.py"),
        (b"path=/workspace/src/app.py", "workspace/src/app.py"),
        (b"path=./src//app.py&at=x", "workspace/src/app.py"),
        (b"path=/home/agent/.cache/x", "home/.cache/x"),
        (b"path=/tmp/log", "tmp/log"),
        (b"path=/workspace", "workspace"),
        (b"path=/", ""),
        (b"", ""),
        (b"path=caf%E9", "workspace/caf\udce9"),
        (b"path=a%2Bb+c", "workspace/a+b c"),
    ],
)
def test_a_path_is_found_as_those_inside_write_it(query: bytes, name: str) -> None:
    assert asked_path(query) == name


@pytest.mark.parametrize("query", [b"path=../secret", b"path=/etc/passwd", b"path=/workspaces", b"path=a/..%2F../b"])
def test_a_path_outside_of_the_snapshot_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidRequest):
        asked_path(query)


def test_the_address_of_a_listed_file_leads_back_to_it_byte_for_byte() -> None:
    name = "workspace/odd \udcff+&#name"
    view = entry_view(name, FileEntry(mode=0o100755, size=1, hash="h", pack="p"), "http://api/files", "s" * 64)
    assert asked_path(view.url.split("?")[1].encode()) == name
    assert view.path == "/workspace/odd \\xff+&#name"
    assert view.mode == "0755"


def test_roots_are_shown_where_they_lie_inside() -> None:
    assert [inside(name) for name in ("workspace/a", "home/b", "tmp")] == ["/workspace/a", "/home/agent/b", "/tmp"]
