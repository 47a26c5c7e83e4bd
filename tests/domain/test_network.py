from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from domain.network import AllowedHost, allowed, is_public, may_reach, normal

HOSTS = (
    AllowedHost(host="Packages.Example.com."),
    AllowedHost(host="*.mirror.example", ports=(80, 443)),
    AllowedHost(host="bücher.example"),
    AllowedHost(host="192.0.2.7", ports=(8080,)),
    AllowedHost(host="[2001:DB8::1]"),
)


def reaches(host: str, port: int = 443) -> bool:
    known = normal(host)
    return known is not None and bool(allowed(HOSTS, known, port))


@pytest.mark.parametrize(
    "host",
    [
        "packages.example.com",
        "PACKAGES.example.COM.",
        "a.mirror.example",
        "b.a.mirror.example",
        "bücher.example",
        "BÜCHER.example",
        "xn--bcher-kva.example",
        "2001:db8:0::1",
        "[2001:db8::1]",
    ],
)
def test_a_listed_host_is_known_in_every_spelling(host: str) -> None:
    assert reaches(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "evil-packages.example.com",
        "packages.example.com.evil.example",
        "mirror.example",
        "evilmirror.example",
        ".mirror.example",
        "..mirror.example",
        "a..mirror.example",
        "packages.example.com..",
        "packages.example.com\0.evil.example",
        "packages.example.com%00",
        "packages.example.com:443",
        "user@packages.example.com",
        "packages.example.com/",
        " packages.example.com",
        "packages.example.com\n",
        "192.0.2.7",
        "",
        ".",
        "*",
        "*.mirror.example",
        "-a.mirror.example",
        "1.2.3.4.mirror.example" + "a" * 250,
    ],
)
def test_what_is_not_listed_is_not_reached(host: str) -> None:
    assert not reaches(host)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "1.2.3", "a.0x1", "0x"])
def test_what_a_resolver_would_read_as_an_address_is_no_name(host: str) -> None:
    assert normal(host) is None


def test_an_address_is_reached_where_it_is_listed_itself_and_by_no_pattern() -> None:
    assert reaches("192.0.2.7", 8080)
    assert not allowed([AllowedHost(host="*.example")], "192.0.2.7", 443)


def test_only_listed_ports_are_reached() -> None:
    assert reaches("a.mirror.example", 80)
    assert not reaches("packages.example.com", 80)


@pytest.mark.parametrize("host", ["*", "*.*", "a.*.example", "*.192.0.2.7", "https://a.example", "a b", "", "127.1"])
def test_a_host_that_means_nothing_is_refused_in_the_site_file(host: str) -> None:
    with pytest.raises(ValidationError):
        AllowedHost(host=host)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "8.0.0.0/7", "10.0.0.1/8", "everything"])
def test_an_exemption_is_a_range_no_wider_than_private_ones(network: str) -> None:
    with pytest.raises(ValidationError):
        AllowedHost(host="a.example", networks=(network,))
    with pytest.raises(ValidationError):
        AllowedHost(host="a.example", ports=(0,))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.19.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_of_the_hosts_own_surroundings_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not may_reach(address, [AllowedHost(host="a.example")])


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "172.32.0.1",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ],
)
def test_other_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_an_exempted_range_is_reached_in_every_form_and_no_other_is() -> None:
    mine = [AllowedHost(host="mirror.example", networks=("10.2.0.0/16", "fd12::/32"))]
    assert may_reach("10.2.3.4", mine) and may_reach("::ffff:10.2.3.4", mine) and may_reach("fd12::1", mine)
    assert not may_reach("10.3.0.1", mine) and not may_reach("169.254.169.254", mine)
    assert not may_reach("mirror.example", mine)
