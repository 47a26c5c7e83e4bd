"""What is taken for a secret, what is not, and that nothing of one is left in texts, contents and streams."""

import base64
import itertools
import json
import time
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.secrets import KNOWN_KIND, Mask, find_secrets, masked_pieces, replacement

RANDOM = "q7Zp2Lx9Vb4Nf8Rt1Kd6Wm3Hs5Yc0Jg"
KEY_BODY = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" + RANDOM[:12]] * 5)
BLOCK = f"-----BEGIN PRIVATE KEY-----\n{KEY_BODY}\n-----END PRIVATE KEY-----"
SECRETS = {
    "private key": BLOCK,
    "github token": "ghp_" + RANDOM + "abcd5",
    "gitlab token": "glpat-" + RANDOM[:20],
    "aws access key id": "AKIA" + "Q7ZP2LX9VB4NF8RT",
    "google api key": "AIza" + RANDOM + "abcd",
    "slack token": "xoxb-" + "123456789012-" + RANDOM[:24],
    "stripe key": "sk_live_" + RANDOM[:24],
    "openai key": "sk-proj-" + RANDOM + RANDOM,
    "anthropic key": "sk-ant-api03-" + RANDOM + RANDOM,
    "npm token": "npm_" + RANDOM + "abcde",
    "pypi token": "pypi-AgEIcHlwaS5vcmc" + RANDOM + RANDOM,
    "json web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
}
IN_CONTEXT = {
    "aws secret key": ("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    "azure key": ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};", "Q7zp" * 21 + "Q8=="),
    "azure signature": ("https://a.blob.example.com/c?sv=2024-01-01&sig={}", RANDOM + "%2Babcdefghij1%3D"),
    "slack webhook": ("https://hooks.slack.com/{}", "services/T0AB12CD3/B0AB12CD3/" + RANDOM[:24]),
    "password in a url": ("postgres://app:{}@db.example.com/app", "hunter2"),
    "bearer token": ("Authorization: Bearer {}", RANDOM),
    "basic credentials": ("authorization: Basic {}", "dXNlcjpodW50ZXIy"),
    "password": ("machine git.example.com login me password {}", "hunter2"),
    "credential": ('  "db_password": "{}",', "s3cr3t-Pa55w0rd!x"),
}
INNOCENT = (
    "token = response.json()['access']",
    "password: str = Field(min_length=8)",
    "csrf_token = parse_token_v2_from_header(request)",
    "secret_name = os.environ['DB_SECRET_2']",
    "api_key=$API_KEY token=${TOKEN_2} password=<your-password-1> secret={{ secret1 }}",
    "postgres://user:password@localhost/db",
    "git clone https://github.example.com/a/b.git@v1.2.3",
    "sk-loading-spinner-container-with-many-words-in-it",
    "commit 5f4dcc3b5aa765d61d8327deb882cf9912345678",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "tokens: 123456789012345678 of 200000000000000000",
    "the bearer of this letter, and basic authentication",
    "AKIA is the prefix; eyJ begins JSON",
)


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_of_secret_is_hidden_and_named(kind: str) -> None:
    hidden = Mask().text(f"before {SECRETS[kind]} after")
    assert hidden.replace("\n", "") == f"before {replacement(kind)} after"


@pytest.mark.parametrize("kind", IN_CONTEXT)
def test_each_kind_that_only_its_context_tells_is_hidden_without_the_context(kind: str) -> None:
    template, secret = IN_CONTEXT[kind]
    assert Mask().text(template.format(secret)) == template.format(replacement(kind))


@pytest.mark.parametrize("text", INNOCENT)
def test_code_and_prose_about_secrets_stay_as_they_are(text: str) -> None:
    assert list(find_secrets(text)) == []


def test_lines_stay_as_many_as_they_were() -> None:
    assert Mask().text(f"a\n{BLOCK}\nb").count("\n") == f"a\n{BLOCK}\nb".count("\n")


def test_masking_twice_is_masking_once() -> None:
    once = Mask().text("\n".join([*SECRETS.values(), *(one.format(two) for one, two in IN_CONTEXT.values())]))
    assert Mask().text(once) == once


@pytest.mark.parametrize("value", ["plant-7f3/a+b=Zq", 'p@ss "w/rd" 9é', "abcDEF123456ghi"])
def test_a_known_value_is_hidden_in_every_dress(value: str) -> None:
    mask, raw = Mask([value]), value.encode()
    dresses = [value, quote(value, safe=""), json.dumps(value), json.dumps(value, ensure_ascii=False), raw.hex()]
    dresses += [base64.b64encode(b"x" * shift + raw + b"tail").decode() for shift in range(6)]
    dresses += [base64.urlsafe_b64encode(b"x" * shift + raw).decode() for shift in range(3)]
    for dress in dresses:
        assert replacement(KNOWN_KIND) in mask.known(f"x {dress} y"), dress
        assert replacement(KNOWN_KIND).encode() in mask.content(f"x {dress} y".encode()), dress
    assert value not in mask.text(f"{value}{value} {value}")


def test_a_known_key_of_many_lines_is_hidden_line_by_line() -> None:
    line = KEY_BODY.splitlines()[2]
    assert line not in Mask([BLOCK]).known(f"    3\t{line}")


def test_words_are_not_hidden_because_a_password_is_one() -> None:
    text = "postgres perdure 12345678 short1"
    assert Mask(["postgres", "perdure", "12345678", "short1", ""]).text(text) == text


def test_only_what_is_known_is_hidden_in_what_somebody_said() -> None:
    mask = Mask([RANDOM])
    assert mask.known(f"{SECRETS['npm token'][:4]} {SECRETS['stripe key']}") == f"npm_ {SECRETS['stripe key']}"
    assert mask.known_in({"a": [f"x{RANDOM}", 3, None]}) == {"a": [f"x{replacement(KNOWN_KIND)}", 3, None]}
    assert mask.begun(f"so {RANDOM[:7]}") == 3
    assert mask.begun("so") == 2


def whole_and_streamed(content: bytes, cuts: Sequence[int], mask: Mask) -> tuple[bytes, bytes]:
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[start:end] for start, end in itertools.pairwise(edges)]
    return mask.content(content), b"".join(masked_pieces(mask, pieces))


SIGNS = ("word ", "\n", "\r\n", "é", "x" * 900, "-----BEGIN ", "-----END RSA PRIVATE KEY-----", "token=", "://a:", "\0")
PARTS = st.sampled_from(
    [*SECRETS.values(), *(one.format(two) for one, two in IN_CONTEXT.values()), *SIGNS, RANDOM, "A" * 9000]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=12), st.lists(st.integers(0, 20_000), max_size=8))
def test_a_stream_cut_anywhere_hides_every_secret_that_the_whole_hides(parts: list[str], cuts: list[int]) -> None:
    content, mask = "".join(parts).encode(), Mask([RANDOM])
    whole, streamed = whole_and_streamed(content, cuts, mask)
    for secret in (*SECRETS.values(), RANDOM, KEY_BODY.splitlines()[0]):
        assert secret.encode() in whole or secret.encode() not in streamed
    assert RANDOM.encode() not in streamed


@pytest.mark.parametrize("secret", [*SECRETS.values(), *(one.format(two) for one, two in IN_CONTEXT.values())])
def test_a_secret_in_pieces_is_hidden_as_in_one(secret: str) -> None:
    for padding in (b"", b"word " * 3000):
        content = padding + b"\n" * bool(padding) + secret.encode() + b"\nend"
        for at in range(len(padding), len(content), 7):
            whole, streamed = whole_and_streamed(content, [at], Mask())
            assert streamed == whole


def test_what_has_ended_is_given_at_once_and_what_is_held_back_is_bounded() -> None:
    stream = Mask().stream()
    assert stream.feed(b"one\ntwo") == b"one\n"
    assert stream.feed(b"\n") == b"two\n"
    given_bytes = sum(len(stream.feed(b"y" * 1000)) for _ in range(100))
    assert given_bytes > 80_000
    assert given_bytes + len(stream.end()) == 100_000


HOSTILE = {
    "words": "lorem ipsum dolor\n",
    "tokens": "token",
    "assignments": "token=",
    "values": "token: aB3dE6gH9jK2mN5p\n",
    "headers of keys": "-----BEGIN PRIVATE KEY-----",
    "urls": "://a:b",
    "one letter": "a",
    "blanks": "password=        ",
    "machines": "machine a login ",
    "prefixes": " eyJaaaaaaaaaa",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_twenty_megabytes_of_anything_take_a_bounded_time(name: str) -> None:
    piece = HOSTILE[name]
    content = (piece * (1_000_000 // len(piece))).encode()
    began = time.process_time()
    sum(len(piece) for piece in masked_pieces(Mask([RANDOM]), [content] * 20))
    assert time.process_time() - began < 90
