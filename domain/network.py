"""What may be reached from a sandbox, and what was."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pydantic import Field, field_validator

from domain.value import Value

Address = IPv4Address | IPv6Address

NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
NUMERIC_END = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")
"""What C libraries read as an IPv4 address, such as 127.1 and 0x7f000001."""
WIDEST = {4: 8, 6: 7}
"""The shortest prefix of an exempted network: that of the largest private range."""

NOT_PUBLIC_4 = [
    IPv4Network(one)
    for one in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own, and a cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's metadata at a public address
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
]
GLOBAL_6 = IPv6Network("2000::/3")
NOT_PUBLIC_6 = [IPv6Network(one) for one in ("2001::/23", "2001:db8::/32", "3fff::/20")]
NAT64 = IPv6Network("64:ff9b::/96")


class AllowedHost(Value):
    """`host` is a name, or `*.name` for every name below it, or an address."""

    host: str
    ports: tuple[int, ...] = Field(default=(443,), min_length=1)
    networks: tuple[str, ...] = ()
    """Private ranges (CIDR) that its addresses may lie in, for mirrors of one's own; public ones always may."""

    @field_validator("host")
    @classmethod
    def _plain_host(cls, host: str) -> str:
        below = host.startswith("*.")
        known = normal(host[2:] if below else host)
        if known is None or (below and literal(known) is not None):
            raise ValueError(f"{host!r} is neither a host's name, nor *.name, nor an address")
        return f"*.{known}" if below else known

    @field_validator("ports")
    @classmethod
    def _real_ports(cls, ports: tuple[int, ...]) -> tuple[int, ...]:
        if not all(0 < port < 65536 for port in ports):
            raise ValueError("a port is a number from 1 to 65535")
        return ports

    @field_validator("networks")
    @classmethod
    def _narrow_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in map(ip_network, networks):
            if network.prefixlen < WIDEST[network.version]:
                raise ValueError(f"{network} is wider than any private range")
        return networks

    def __str__(self) -> str:
        return f"{self.host} (port{'s' * (len(self.ports) > 1)} {', '.join(map(str, self.ports))})"


class Connection(Value):
    """One connection that a command asked for. `address` is None where the name was refused or not found."""

    host: str
    port: int
    allowed: bool
    address: str | None = None
    reason: str = ""
    """Why it was refused or failed."""
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0


def normal(host: str) -> str | None:
    """The one spelling of a name (lower case, IDNA, no last dot) or address; None where it is neither."""
    spelt = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if (address := literal(spelt)) is not None:
        return str(address)
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return None
    name = name.lower().removesuffix(".")
    return name if NAME.fullmatch(name) and not NUMERIC_END.fullmatch(name) else None


def literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def allowed(hosts: Sequence[AllowedHost], host: str, port: int) -> tuple[AllowedHost, ...]:
    """All that let `host` (as `normal` gives it) and `port` through. An address matches no pattern but itself."""
    return tuple(one for one in hosts if port in one.ports and _matches(one.host, host))


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return literal(host) is None and host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern == host


def may_reach(address: str, matching: Sequence[AllowedHost]) -> bool:
    """Whether a resolved address is public, or lies in a range that one of these exempts."""
    found = literal(address)
    if found is None:
        return False
    exempt = (ip_network(network) for one in matching for network in one.networks)
    return is_public(found) or any(_embedded(found) in network for network in exempt)


def is_public(address: Address) -> bool:
    """Not loopback, link-local, metadata, private, carriers' own, multicast, reserved, or one of these in IPv6."""
    inner = _embedded(address)
    if isinstance(inner, IPv4Address):
        return not any(inner in network for network in NOT_PUBLIC_4)
    return inner in GLOBAL_6 and not any(inner in network for network in NOT_PUBLIC_6)


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address of a transition mechanism leads to."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
