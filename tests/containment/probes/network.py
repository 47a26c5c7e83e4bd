"""08 to 11: ways out. Nothing is sent where a route exists."""

import errno
import socket
from pathlib import Path

from tests.containment.probes.protocol import FACTS, Breach, probe, refused

VSOCK_HOST = 2


def connect(family: int, address: object) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as own:
        own.settimeout(3)
        own.connect(address)  # ty: ignore[invalid-argument-type]  the type of an address is its family's


@probe("08")
def routes() -> str:
    lines = Path("/proc/net/route").read_text().splitlines()[1:]
    others = [line.split()[-1] for line in Path("/proc/net/ipv6_route").read_text().splitlines()]
    devices = [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    if lines or set(others) - {"lo"} or devices != ["lo"]:
        raise Breach(f"routes {lines} {others}, devices {devices}")
    for address in ("169.254.169.254", "192.0.2.1"):
        said = refused(f"reaching {address}", lambda address=address: connect(socket.AF_INET, (address, 80)))
        if "unreachable" not in said:
            raise Breach(said)
    return "no route leads anywhere"


@probe("09")
def loopback_of_the_host() -> str:
    port = int(FACTS["tcp_port"])
    refused("the host's loopback, version 6", lambda: connect(socket.AF_INET6, ("::1", port)))
    return refused("the host's loopback", lambda: connect(socket.AF_INET, ("127.0.0.1", port)))


@probe("10")
def abstract_sockets() -> str:
    return refused("the host's abstract socket", lambda: connect(socket.AF_UNIX, "\0" + FACTS["abstract"]))


@probe("11")
def vsock() -> str:
    for family in (socket.AF_PACKET, socket.AF_ALG):
        refused(f"a socket of family {family}", lambda family=family: socket.socket(family, socket.SOCK_RAW).close())
    for family in (socket.AF_VSOCK, socket.AF_CAN):
        kind = socket.SOCK_STREAM if family == socket.AF_VSOCK else socket.SOCK_RAW
        but = (errno.ECONNREFUSED, errno.ETIMEDOUT)
        refused(f"family {family}", lambda family=family, kind=kind: socket.socket(family, kind).close(), but=but)
    return "families that no network namespace holds back are refused"
