"""What the worker itself asks of hosts: the rules of the sandbox's proxy, and what is known when it goes wrong."""

import socket
from collections.abc import Sequence

import pytest

from adapters.network.web import EgressWeb
from domain.errors import Forbidden, InvalidRequest, NotSent, RemoteUnavailable
from domain.network import AllowedHost, Connection
from domain.web import ANSWER_MOST, WebAnswer, WebRequest
from tests.fixtures.receiver import Receiver


class Asking:
    """Names that mean what a test says, and hosts that it opens."""

    def __init__(self, port: int, means: Sequence[str] = ("127.0.0.1",), networks: tuple[str, ...] = ()) -> None:
        self.port = port
        self.means = means
        self.looked_up: list[str] = []
        self.made: list[Connection] = []
        opened = {"host": "hooks.example", "ports": [port], "networks": networks or ("127.0.0.0/8",)}
        self.hosts = (AllowedHost.model_validate(opened),)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.append(host)
        if not self.means:
            raise OSError("no such name")
        return self.means

    async def ask(self, path: str = "/a?b=c", method: str = "POST", url: str = "", seconds: float = 20.0) -> WebAnswer:
        web = EgressWeb(self.resolve)
        request = WebRequest(
            method=method,
            url=url or f"http://hooks.example:{self.port}{path}",
            headers=(("X-Mine", "yes"),),
            body=b"body",
            seconds=seconds,
        )
        return await web.send(request, self.hosts, self.made.append)


async def test_a_request_arrives_under_its_name_and_its_answer_comes_back(receiver: Receiver) -> None:
    receiver.answers.append((201, {"X-Theirs": "1"}, b"made"))
    asking = Asking(receiver.port)
    answer = await asking.ask()
    assert (answer.status, answer.body, answer.cut) == (201, b"made", False)
    assert ("x-theirs", "1") in [(name.lower(), value) for name, value in answer.headers]
    (one,) = receiver.received
    assert (one.method, one.path, one.body) == ("POST", "/a?b=c", b"body")
    assert (one.headers["Host"], one.headers["X-Mine"]) == (f"hooks.example:{receiver.port}", "yes")
    (made,) = asking.made
    assert (made.host, made.port, made.allowed, made.address) == ("hooks.example", receiver.port, True, "127.0.0.1")


async def test_no_more_of_an_answer_is_read_than_is_kept(receiver: Receiver) -> None:
    receiver.answers.append((200, {}, b"x" * 50_000_000))
    answer = await Asking(receiver.port).ask()
    assert (len(answer.body), answer.cut) == (ANSWER_MOST, True)


async def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answers.append((302, {"Location": "http://169.254.169.254/"}, b""))
    assert (await Asking(receiver.port).ask()).status == 302
    assert len(receiver.received) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_a_name_that_means_an_inner_address_is_refused(receiver: Receiver, address: str) -> None:
    asking = Asking(receiver.port, means=("127.0.0.9", address), networks=("127.0.0.9/32",))
    with pytest.raises(Forbidden, match="not a public address"):
        await asking.ask()
    assert receiver.received == []
    assert [one.allowed for one in asking.made] == [False]


async def test_a_host_that_is_not_opened_is_not_even_looked_up(receiver: Receiver) -> None:
    asking = Asking(receiver.port)
    for url in (
        f"http://127.0.0.1:{receiver.port}/",
        f"http://other.example:{receiver.port}/",
        "https://hooks.example/",
    ):
        with pytest.raises(Forbidden):
            await asking.ask(url=url)
    assert (asking.looked_up, receiver.received) == ([], [])


@pytest.mark.parametrize(
    "url",
    ["ftp://hooks.example/", "file:///etc/passwd", "http://", "http://u:p@hooks.example/", "nonsense", "http://a b/"],
)
async def test_what_is_no_address_is_refused(receiver: Receiver, url: str) -> None:
    with pytest.raises((InvalidRequest, Forbidden)):
        await Asking(receiver.port).ask(url=url)


async def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    asking = Asking(port)
    with pytest.raises(NotSent, match="cannot be reached"):
        await asking.ask()
    with pytest.raises(NotSent):
        await Asking(port, means=()).ask()
    assert [one.reason != "" for one in asking.made] == [True]


async def test_no_tls_is_spoken_with_whoever_has_no_certificate_of_that_name(receiver: Receiver) -> None:
    with pytest.raises(NotSent):
        await Asking(receiver.port).ask(url=f"https://hooks.example:{receiver.port}/")
    assert receiver.received == []


async def test_an_address_that_does_not_answer_is_followed_by_the_next(receiver: Receiver) -> None:
    asking = Asking(receiver.port, means=("::1", "127.0.0.1"), networks=("127.0.0.0/8", "::1/128"))
    assert (await asking.ask()).status == 200
    assert len(receiver.received) == 1


async def test_an_answer_that_does_not_come_leaves_it_open_what_was_done(receiver: Receiver) -> None:
    receiver.drops = 1
    with pytest.raises(RemoteUnavailable):
        await Asking(receiver.port).ask()
    held = receiver.hold("/slow")
    with pytest.raises(RemoteUnavailable):
        await Asking(receiver.port).ask("/slow", seconds=1.0)
    held.release.set()
    assert len(receiver.received) == 2
