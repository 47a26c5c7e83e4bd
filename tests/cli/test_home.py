import re
import stat
from pathlib import Path

import pytest

from cli.home import Home
from domain.errors import Conflict, OutOfSpace


def test_its_token_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    token = home.make_token()
    assert Home(tmp_path / "home").make_token() == token == home.token()
    assert stat.S_IMODE((tmp_path / "home" / "token").stat().st_mode) == 0o600


def test_one_lock_lets_one_in_and_names_it(tmp_path: Path) -> None:
    first, second = Home(tmp_path), Home(tmp_path)
    first.make()
    first.lock()
    first.announce({"api": "http://127.0.0.1:1", "token": "t"})
    with pytest.raises(Conflict, match=re.escape("http://127.0.0.1:1")):
        second.lock()
    assert second.announced() == {"api": "http://127.0.0.1:1", "token": "t"}
    first.unlock()
    second.lock()
    second.unlock()


def test_a_home_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutOfSpace) as failure:
        Home(tmp_path / "file" / "home").make()
    assert "PERDURE_HOME" in failure.value.next_step


def test_what_stands_in_a_broken_announcement_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{half")
    assert Home(tmp_path).announced() == {}
