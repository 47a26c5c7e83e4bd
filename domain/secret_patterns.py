"""The kept list of what secrets look like: a literal that is cheap to find, and what must follow it."""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

LINE_REACH = 8192
"""Characters: no secret of one line is longer, what tells of it included."""
BLOCK_REACH = 16 * 1024
"""Characters of a private key, its first and last line included."""

SIGN_REACH = 512
"""Characters between the beginning of what tells of a secret and the secret."""

_WORD = r"(?<![A-Za-z0-9_-])"
_ENDS = r"(?![A-Za-z0-9_-])"
_SEPARATOR = r"""\\?["']?\]?[ \t]{0,8}+(?:=>|:=|[:=])[ \t]{0,8}+\\?["'`]?"""
_PLACEHOLDER = re.compile(r"""[$<{%*\[(]|(?:\*|x|X|\.|-){3,}|(?:pass(?:word|wd)?|pwd|secret|token|user|changeme)$""")
_WORDS = re.compile(r"[A-Za-z]*[0-9]{0,3}")
_LEAST_BITS = 3.3


@dataclass(frozen=True)
class SecretRule:
    """`pattern` begins with one of `anchors`; its group `secret`, or all of it, is the secret where `holds` says so."""

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] | None = None


def looks_random(value: str) -> bool:
    """Letters and digits mixed as no name in a program mixes them; placeholders are not random."""
    if _PLACEHOLDER.match(value) or not re.search(r"[0-9]", value) or not re.search(r"[A-Za-z]", value):
        return False
    if all(_WORDS.fullmatch(part) for part in re.split(r"[._/@:-]", value)):
        return False
    counts, length = Counter(value), len(value)
    return -sum(n / length * math.log2(n / length) for n in counts.values()) >= _LEAST_BITS


def _is_chosen(value: str) -> bool:
    return not _PLACEHOLDER.match(value)


def _has_digit(value: str) -> bool:
    return any(character.isdigit() for character in value)


def _token(kind: str, rest: str, *anchors: str, holds: Callable[[str], bool] | None = None) -> SecretRule:
    """A word that begins with an anchor, and that `rest` follows."""
    start = "|".join(re.escape(anchor) for anchor in anchors)
    return SecretRule(kind, anchors, re.compile(f"{_WORD}(?:{start}){rest}"), holds)


def _after(kind: str, rest: str, *anchors: str, holds: Callable[[str], bool] | None = None) -> SecretRule:
    """What `rest` names `secret`, after an anchor that may stand within a word."""
    start = "|".join(re.escape(anchor) for anchor in anchors)
    return SecretRule(kind, anchors, re.compile(f"(?:{start}){rest}"), holds)


def _cases(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(form for name in names for form in (name, name.capitalize(), name.upper())))


PRIVATE_KEY = SecretRule(
    "private key",
    ("-----BEGIN ",),
    re.compile(
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        # An atomic group: Python before 3.11.5 loses its place after a possessive repetition of a group (gh-106052).
        rf"(?:(?>(?:(?!-----(?:END|BEGIN) )[\s\S]){{0,{BLOCK_REACH - 200}}})-----END [A-Z0-9 ]{{0,60}}-----"
        rf"|[A-Za-z0-9+/=\\ \t\r\n:,.-]{{0,{BLOCK_REACH - 200}}}+)"
    ),
)

SECRET_RULES = (
    PRIVATE_KEY,
    _token("github token", r"[A-Za-z0-9]{36,255}", "ghp_", "gho_", "ghu_", "ghr_"),
    _token("github token", r"[A-Za-z0-9_.-]{36,2000}", "ghs_"),
    _token("github token", r"[A-Za-z0-9_]{36,255}", "github_pat_"),
    _token("gitlab token", r"[A-Za-z0-9_.-]{20,300}", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-"),
    _token("aws access key id", r"[A-Z0-9]{16}(?![A-Za-z0-9])", "AKIA", "ASIA"),
    _after(
        "aws secret key",
        rf"{_SEPARATOR}(?P<secret>[A-Za-z0-9/+]{{40}})(?![A-Za-z0-9/+])",
        *("secret_access_key", "SECRET_ACCESS_KEY", "SecretAccessKey", "secretAccessKey"),
    ),
    _token("google api key", rf"[A-Za-z0-9_-]{{35}}{_ENDS}", "AIza"),
    _token("google token", r"[A-Za-z0-9_.-]{20,2000}", "ya29.", "GOCSPX-"),
    _token("slack token", r"[A-Za-z0-9-]{10,300}", "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"),
    _token("slack token", r"[0-9]-[A-Za-z0-9-]{20,300}", "xapp-"),
    _after("slack webhook", r"(?P<secret>(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,300})", "hooks.slack.com/"),
    _after("discord webhook", r"(?P<secret>[0-9]{15,21}/[A-Za-z0-9_-]{40,100})", "discord.com/api/webhooks/"),
    _token("stripe key", r"[A-Za-z0-9]{16,300}", "sk_live_", "rk_live_", "whsec_"),
    _token("anthropic key", r"[A-Za-z0-9_-]{20,300}", "sk-ant-"),
    _token("openai key", r"[A-Za-z0-9_-]{20,400}", "sk-proj-", "sk-svcacct-", "sk-admin-", holds=_has_digit),
    _token("api key", rf"(?:or-v1-)?[A-Za-z0-9]{{32,80}}{_ENDS}", "sk-", holds=_has_digit),
    _token("npm token", rf"[A-Za-z0-9]{{36}}{_ENDS}", "npm_"),
    _token("pypi token", r"[A-Za-z0-9_-]{30,2000}", "pypi-Ag"),
    _token("hugging face token", rf"[A-Za-z0-9]{{30,60}}{_ENDS}", "hf_"),
    _token("docker token", r"[A-Za-z0-9_-]{20,60}", "dckr_pat_", "dckr_oat_"),
    _token("digitalocean token", r"[a-f0-9]{64}", "dop_v1_", "doo_v1_", "dor_v1_"),
    _token("databricks token", rf"[a-f0-9]{{32}}(?:-[0-9])?{_ENDS}", "dapi"),
    _token("vault token", r"[A-Za-z0-9_-]{24,300}", "hvs.", "hvb."),
    _token("shopify token", r"[A-Fa-f0-9]{32}", "shpat_", "shpca_", "shppa_", "shpss_"),
    _token("sendgrid key", rf"[A-Za-z0-9_-]{{16,32}}\.[A-Za-z0-9_-]{{32,64}}{_ENDS}", "SG."),
    _token("age key", r"[A-Z0-9]{50,64}", "AGE-SECRET-KEY-1"),
    _token(
        "json web token",
        r"[A-Za-z0-9_-]{8,1500}+\.eyJ[A-Za-z0-9_-]{8,5000}+\.[A-Za-z0-9_-]{10,1500}",
        "eyJ",
    ),
    _after("azure key", r"(?P<secret>[A-Za-z0-9+/]{40,100}={0,2})", "AccountKey=", "SharedAccessKey="),
    _after("azure signature", r"(?P<secret>[A-Za-z0-9%+/]{40,120}={0,2})", "&sig=", "?sig="),
    _after("password in a url", r"[^\s/:@\"'`]{0,200}:(?P<secret>[^\s/@\"'`]{3,500}+)@", "://", holds=_is_chosen),
    _after(
        "bearer token",
        r"[ \t]{1,3}(?P<secret>[A-Za-z0-9._~+/-]{16,6000}={0,2})",
        *("Bearer", "bearer", "BEARER"),
        holds=looks_random,
    ),
    _after(
        "basic credentials",
        r"\\?[\"']?:[ \t]{0,3}\\?[\"']?[Bb]asic[ \t](?P<secret>[A-Za-z0-9+/]{8,2000}={0,2})",
        *("Authorization", "authorization", "AUTHORIZATION"),
    ),
    _token(
        "password",
        r"[ \t]{1,8}\S{1,200}[ \t]{1,8}login[ \t]{1,8}\S{1,200}[ \t]{1,8}password[ \t]{1,8}(?P<secret>\S{3,200})",
        "machine",
        holds=_is_chosen,
    ),
    _after(
        "credential",
        rf"[A-Za-z0-9_.-]{{0,40}}+{_SEPARATOR}(?P<secret>[A-Za-z0-9+/_.~!@#%^&*-]{{12,4000}}={{0,2}})",
        *_cases("password", "passwd", "secret", "token", "api_key", "api-key", "apikey", "private_key", "access_key"),
        *("apiKey", "ApiKey", "accessKey", "AccessKey", "privateKey", "PrivateKey"),
        holds=looks_random,
    ),
)
