"""Whom runs may tell."""

import pytest
from pydantic import ValidationError

from domain.network import AllowedHost
from domain.notify import Notify, why_not

HOOKS = AllowedHost(host="hooks.example.com", ports=(443,))


@pytest.mark.parametrize("url", ["https://hooks.example.com/a", "https://HOOKS.example.com:443/a?token=x"])
def test_the_operators_hosts_may_be_told(url: str) -> None:
    assert why_not(url, Notify(allowed=(HOOKS,))) == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://hooks.example.com:444/",
        "https://other.example.com/",
        "https://hooks.example.com.evil.example/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com/#a",
        "ftp://hooks.example.com/",
        "https://",
        "nonsense",
        "https://[::1/",
        "https://hooks.example.com:99999/",
    ],
)
def test_nobody_else_may(url: str) -> None:
    assert why_not(url, Notify(allowed=(HOOKS,)))


def test_the_operators_own_listener_is_one_of_those_hosts() -> None:
    assert Notify(url="https://hooks.example.com/all", allowed=(HOOKS,)).is_wanted
    with pytest.raises(ValidationError, match=r"notify\.url"):
        Notify(url="https://hooks.example.com/all")
    assert not Notify().is_wanted
