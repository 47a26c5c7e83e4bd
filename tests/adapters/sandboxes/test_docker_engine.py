"""The vendor's failures are ours, and its streams are read whole."""

import inspect
import random

import pytest
import requests
import urllib3
from docker import errors

from adapters.sandboxes.docker_engine import FAILURES, Engine, named
from adapters.sandboxes.docker_frames import Frames
from domain.errors import SandboxRefused, SandboxUnavailable


def made(kind: type[Exception]) -> Exception:
    try:
        return kind("said")
    except TypeError:
        return kind(*("said" for _ in inspect.signature(kind).parameters))


VENDORS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]


@pytest.mark.parametrize("kind", [*VENDORS, requests.RequestException, urllib3.exceptions.HTTPError, OSError])
def test_every_failure_of_the_vendor_is_one_of_ours(kind: type[Exception]) -> None:
    """And of what it stands on."""

    assert issubclass(kind, FAILURES)
    error = named(made(kind))
    assert isinstance(error, SandboxUnavailable | SandboxRefused)
    assert "said" in error.message


def test_an_engine_that_is_away_is_the_worlds_failure() -> None:
    engine = Engine("unix:///no/such/engine.sock")
    with pytest.raises(SandboxUnavailable) as failed:
        engine.answer(lambda client: client.version())
    assert "Docker runs" in failed.value.next_step
    engine.close()


def test_frames_may_be_cut_anywhere() -> None:
    chance = random.Random(7)
    for _ in range(50):
        parts = [(chance.choice([1, 2]), chance.randbytes(chance.choice([0, 1, 7, 300]))) for _ in range(40)]
        whole = b"".join(bytes([kind, 0, 0, 0]) + len(part).to_bytes(4, "big") + part for kind, part in parts)
        heard: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        frames = Frames({1: heard[1].extend, 2: heard[2].extend})
        while whole:
            size = chance.randint(1, 20)
            frames.feed(whole[:size])
            whole = whole[size:]
        for kind, stream in heard.items():
            assert bytes(stream) == b"".join(part for number, part in parts if number == kind)
