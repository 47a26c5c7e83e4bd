import asyncio
import contextlib
import os
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop

from adapters.network.proxy import EgressProxy, resolve
from adapters.network.tunnel import EgressLimits
from domain.network import AllowedHost
from tests.adapters.network.conversing import AGENT_UID, Names, echo, hello, mirror, proxy, server


async def test_a_tunnel_to_an_allowed_host_carries_bytes_both_ways_and_half_closes(tmp_path: Path) -> None:
    sent = os.urandom(3_000_000)
    async with server(echo) as port, proxy(tmp_path, mirror(port)) as proxied:
        reader, writer = await proxied.connect()
        writer.write(f"CONNECT Mirror.Example.:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        received = asyncio.create_task(reader.read())
        writer.write(sent)
        await writer.drain()
        writer.write_eof()
        assert await received == sent + b"<3000000>"
        writer.close()
        (made,) = await proxied.count(1)
    assert (made.host, made.port, made.allowed, made.address) == ("mirror.example", port, True, "127.0.0.1")
    assert (made.sent_bytes, made.received_bytes, made.reason) == (3_000_000, 3_000_009, "")


async def test_a_plain_request_goes_on_without_what_was_meant_for_the_proxy(tmp_path: Path) -> None:
    async with server(hello) as port, proxy(tmp_path, mirror(port)) as proxied:
        answer = await proxied.say(
            f"POST http://user:word@mirror.example:{port}/a?b=c HTTP/1.1\r\nHost: internal.example\r\nAccept: */*\r\n"
            "Proxy-Authorization: Basic x\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbodyGET more".encode()
        )
    head, _, told = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower() and b"keep-alive" not in head
    assert (
        told
        == (
            f"POST /a?b=c HTTP/1.1\r\nHost: mirror.example:{port}\r\nAccept: */*\r\nContent-Length: 4\r\n"
            "Connection: close\r\n\r\nbody"
        ).encode()
    )


async def test_a_host_that_is_not_listed_is_refused_with_whom_to_ask_and_never_looked_up(tmp_path: Path) -> None:
    names = Names()
    async with proxy(tmp_path, mirror(443), names=names) as proxied:
        answer = (await proxied.say(b"CONNECT secrets.evil.example:443 HTTP/1.1\r\n\r\n")).decode()
        plain = (await proxied.say(b"GET http://mirror.example/ HTTP/1.1\r\n\r\n")).decode()
        made = await proxied.count(2)
    assert answer.startswith("HTTP/1.1 403 perdure: secrets.evil.example:443 is not among the hosts")
    for word in ("mirror.example (port 443)", "operator", "site file"):
        assert word in answer.splitlines()[0] and word in answer.splitlines()[-1]
    assert "mirror.example:80 is not among" in plain
    assert names.asked == []
    assert [(one.host, one.port, one.allowed, one.address) for one in made] == [
        ("secrets.evil.example", 443, False, None),
        ("mirror.example", 80, False, None),
    ]


@pytest.mark.parametrize(
    "addresses",
    [["169.254.169.254"], ["127.0.0.1"], ["10.0.0.8"], ["::1"], ["::ffff:127.0.0.1"], ["1.1.1.1", "192.168.0.1"]],
)
async def test_a_listed_name_that_leads_inwards_is_refused(tmp_path: Path, addresses: list[str]) -> None:
    async with server(echo) as port:
        names = Names(mirror_example=[addresses])
        async with proxy(tmp_path, mirror(port, networks=()), names=names) as proxied:
            answer = await proxied.say(f"CONNECT mirror.example:{port} HTTP/1.1\r\n\r\n".encode())
            (made,) = await proxied.count(1)
    assert answer.startswith(b"HTTP/1.1 403 ") and addresses[-1].encode() in answer and b"`networks`" in answer
    assert not made.allowed and made.address is None and made.sent_bytes == 0


async def test_an_address_is_refused_where_no_name_is_asked_for_either(tmp_path: Path) -> None:
    async with server(echo) as port, proxy(tmp_path, mirror(port, host="*.example"), names=Names()) as proxied:
        for host in ("127.0.0.1", "[::1]", "169.254.169.254", "localhost", "127.1", "2130706433", "0x7f000001"):
            answer = await proxied.say(f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode())
            assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), host


async def test_the_address_that_was_checked_is_the_one_that_is_reached(tmp_path: Path) -> None:
    """A name that means another host at a second look-up is looked up once for each connection."""
    async with server(hello, "127.0.0.2") as port:
        names = Names(mirror_example=[["127.0.0.2"], ["127.0.0.1"]])
        async with proxy(tmp_path, mirror(port, networks=("127.0.0.2/32",)), names=names) as proxied:
            asked = f"GET http://mirror.example:{port}/ HTTP/1.1\r\n\r\n".encode()
            assert (await proxied.say(asked)).startswith(b"HTTP/1.1 200")
            assert names.asked == ["mirror.example"]
            assert (await proxied.say(asked)).startswith(b"HTTP/1.1 403")
            assert [one.address for one in await proxied.count(2)] == ["127.0.0.2", None]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: mirror.example\r\n\r\n", b"400"),
        (b"GET https://mirror.example/ HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT mirror.example HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT mirror.example:99999 HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://mirror.example/ HTTP/1.1\r\nA: b\nHost: x\r\n\r\n", b"400"),
        (b"GET http://mirror.example/ HTTP/1.1\r\nA b\r\n\r\n", b"400"),
        (b"GET http://mirror.example/ HTTP/1.1\r\n folded\r\n\r\n", b"400"),
        (b"GET http://mirror.example/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET http://mirror.example/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"GET http://evil.example\\@mirror.example/ HTTP/1.1\r\n\r\n", b"403"),
        (b"GET http://mirror.example/" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"GET http://mirror.example:1/ HTTP/1.1\r\n\r\n", b"502"),
        (b"GET http://gone.example/ HTTP/1.1\r\n\r\n", b"502"),
    ],
)
async def test_what_cannot_be_served_is_answered_with_a_status(tmp_path: Path, said: bytes, status: bytes) -> None:
    async with proxy(tmp_path, mirror(1, 443), mirror(80, host="gone.example")) as proxied:
        answer = await proxied.say(said)
        (made,) = await proxied.count(1)
    assert answer[:13] == b"HTTP/1.1 " + status + b" "
    assert made.reason and made.address in (None, "127.0.0.1")


async def test_who_says_nothing_or_too_slowly_is_let_go(tmp_path: Path) -> None:
    limits = EgressLimits(head_seconds=0.2, idle_seconds=0.3)
    async with server(echo) as port, proxy(tmp_path, mirror(port), limits=limits) as proxied:
        assert (await proxied.say(b"CONNECT mirror")).startswith(b"HTTP/1.1 408")
        answer = await proxied.say(f"CONNECT mirror.example:{port} HTTP/1.1\r\n\r\n".encode())
        assert answer.endswith(b"established\r\n\r\n")
        assert [one.reason for one in await proxied.count(2)][1] == "Nothing moved for 0.3 seconds."


async def test_a_command_moves_no_more_than_its_bytes(tmp_path: Path) -> None:
    limits = EgressLimits(total_bytes=100_000)
    async with server(echo) as port, proxy(tmp_path, mirror(port), limits=limits) as proxied:
        said = f"CONNECT mirror.example:{port} HTTP/1.1\r\n\r\n".encode() + b"a" * 400_000
        for _ in range(2):
            with contextlib.suppress(OSError):
                await proxied.say(said)
        made = await proxied.count(2)
    assert "100,000 bytes" in made[0].reason and made[0].sent_bytes + made[0].received_bytes < 300_000


async def test_connections_beyond_the_limit_wait_and_all_are_served(tmp_path: Path) -> None:
    at_once = 0
    most = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        await reader.readuntil(b"\r\n\r\n")
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with server(slow) as port, proxy(tmp_path, mirror(port), limits=EgressLimits(at_once=8)) as proxied:
        said = f"GET http://mirror.example:{port} HTTP/1.1\r\n\r\n".encode()
        with ThreadPoolExecutor(100) as clients:
            loop = asyncio.get_running_loop()
            asking = [loop.run_in_executor(clients, proxied.say_patiently, said) for _ in range(200)]
            answers = await asyncio.gather(*asking)
        assert len(await proxied.count(200)) == 200
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 204"}
    assert most <= 8


async def test_what_is_open_when_the_command_ends_ends_with_it_and_is_reported(tmp_path: Path) -> None:
    async with server(echo) as port:
        async with proxy(tmp_path, mirror(port)) as proxied:
            reader, writer = await proxied.connect()
            writer.write(f"CONNECT mirror.example:{port} HTTP/1.1\r\n\r\nabc".encode())
            await reader.readuntil(b"abc")
        assert [one.sent_bytes for one in proxied.made] == [3]
        assert await reader.read() == b""
        writer.close()
    assert list((tmp_path / "network").iterdir()) == []


async def test_the_socket_is_the_agents_alone_however_deep_the_home_lies(tmp_path: Path) -> None:
    home = tmp_path / ("a" * 100) / ("b" * 100)
    home.mkdir(parents=True)
    async with proxy(home, mirror(443)) as proxied:
        found = os.stat(proxied.path)  # noqa: PTH116  a look, in a test
        assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
        assert found.st_uid == (os.geteuid() if AGENT_UID is None else AGENT_UID)
        assert "forward.py" in os.listdir(home / "network" / Path(proxied.path).parent.name)  # noqa: PTH208


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_another_user_is_shown_the_door(tmp_path: Path) -> None:
    async with proxy(tmp_path, mirror(443)) as proxied:
        os.chmod(proxied.path, 0o666)  # noqa: PTH101  at once
        for place in (tmp_path, *tmp_path.parents):
            if not place.stat().st_mode & 0o001 and place != Path("/"):
                place.chmod(place.stat().st_mode | 0o001)
        script = (
            "import os,socket,sys; os.setuid(12345); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            "s.sendall(b'CONNECT mirror.example:443 HTTP/1.1\\r\\n\\r\\n'); print(s.recv(100))"
        )
        asking = await asyncio.create_subprocess_exec(
            "/usr/bin/env", "python3", "-c", script, proxied.path, stdout=-1, stderr=-1
        )
        answer, error = await asking.communicate()
        assert b"HTTP" not in answer and (answer == b"b''\n" or b"Error" in error)
        assert proxied.made == []


async def test_this_hosts_names_are_resolved_as_the_host_knows_them() -> None:
    release, loop = threading.Event(), asyncio.get_running_loop()
    busy = [loop.run_in_executor(None, release.wait) for _ in range(64)]
    try:
        # Neither does this process's other work wait for names, nor names for it.
        assert set(await asyncio.wait_for(resolve("localhost", 80), 5)) & {"127.0.0.1", "::1"}
    finally:
        release.set()
        await asyncio.gather(*busy)
    with pytest.raises(socket.gaierror):
        await resolve("nothing.invalid", 80)


def test_it_works_on_the_workers_event_loop_too(tmp_path: Path) -> None:
    async def asked() -> tuple[bytes, int]:
        async with server(hello) as port, proxy(tmp_path, mirror(port)) as proxied:
            answer = await proxied.say(f"GET http://mirror.example:{port}/ HTTP/1.1\r\n\r\n".encode())
            reader, writer = await proxied.connect()
            writer.write(f"CONNECT mirror.example:{port} HTTP/1.1\r\n\r\n".encode())
            answer += await reader.readuntil(b"\r\n\r\n")
            writer.close()
            return answer, len(await proxied.count(2))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer, made = runner.run(asked())
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"established\r\n\r\n") and made == 2


async def test_what_a_dead_worker_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "network" / "left").mkdir(parents=True)
    egress = EgressProxy(tmp_path, AGENT_UID)
    egress.sweep()
    egress.sweep()
    async with egress.open([AllowedHost(host="mirror.example")], lambda _: None):
        assert [one.name for one in (tmp_path / "network").iterdir()] != ["left"]
