"""What looks like a secret, and the mask that hides it and the stack's own secrets in what is stored and shown."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from domain.secret_patterns import BLOCK_REACH, LINE_REACH, PRIVATE_KEY, SECRET_RULES, SIGN_REACH, SecretRule

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]

KNOWN_KIND = "credential of the stack"
LEAST_KNOWN, LEAST_WORD, LEAST_LINE = 8, 12, 24
"""Characters of a known value, of one of letters only, of a line of one: a shorter one would hide ordinary words."""
_KINDS = sorted({re.escape(rule.kind) for rule in SECRET_RULES} | {KNOWN_KIND})
_SHOWN = re.compile(rf"\[secret: (?:{'|'.join(_KINDS)})\]")
_BLOCK_END = re.compile(r"-----END [A-Z0-9 ]{0,60}-----")


@dataclass(frozen=True, order=True)
class FoundSecret:
    """`start` and `end` are positions in the text."""

    start: int
    end: int
    kind: str


def find_secrets(text: str) -> Sequence[FoundSecret]:
    """By position, none over another. Takes time in proportion to the text, whatever is in it."""
    return _apart(found for rule in SECRET_RULES for found in _of_rule(rule, text))


def replacement(kind: str) -> str:
    return f"[secret: {kind}]"


def replacements(text: str) -> Sequence[str]:
    """What in it reads as a mask would have written it."""
    return [shown[0] for shown in _SHOWN.finditer(text)]


class Mask:
    """Hides what looks like a secret, and the values `known` also as base64, hex, in a URL and in JSON."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = {part for value in known for part in _parts(value)}
        self._in_text = _longest_first(form for value in values for form in _forms(value))
        self._first = frozenset(value[0] for value in self._in_text)
        self._longest = max((len(value) for value in self._in_text), default=0)
        # Bytes are read as Latin-1, which keeps every position; so are the values in them.
        self._in_bytes = _longest_first(form.encode(errors="replace").decode("latin-1") for form in self._in_text)

    def text(self, text: str) -> str:
        return _hidden(text, _apart([*_of_values(self._in_text, text), *find_secrets(text)]))

    def content(self, content: bytes) -> bytes:
        text = content.decode("latin-1")
        found = self.found(text)
        return _hidden(text, found).encode("latin-1") if found else content

    def known(self, text: str) -> str:
        """Hides the values that are known, and leaves what only looks like a secret."""
        return _hidden(text, _apart(_of_values(self._in_text, text)))

    def found(self, latin: str) -> Sequence[FoundSecret]:
        """In bytes that were read as Latin-1."""
        return _apart([*_of_values(self._in_bytes, latin), *find_secrets(latin)])

    def known_in(self, given: Json) -> Json:
        """The same in every string of a JSON value; names of fields stay."""
        if isinstance(given, str):
            return self.known(given)
        if isinstance(given, Mapping):
            return {name: self.known_in(one) for name, one in given.items()}
        if isinstance(given, list | tuple):
            return [self.known_in(one) for one in given]
        return given

    def begun(self, text: str) -> int:
        """Where the end of `text` may be the beginning of a known value: its length where it is not."""
        for at in range(max(0, len(text) - self._longest), len(text)):
            if text[at] in self._first and any(value.startswith(text[at:]) for value in self._in_text):
                return at
        return len(text)

    def stream(self) -> "MaskStream":
        return MaskStream(self)


class MaskStream:
    """Content that comes in chunks: a line is held back until it has ended, a private key until its end is there.

    Holds at most twice LINE_REACH, or BLOCK_REACH. What it gives, joined, is what Mask.content makes of the whole.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = ""
        self._before = ""
        """The character before what is held: a secret begins at the edge of a word."""

    def feed(self, chunk: bytes) -> bytes:
        self._held += chunk.decode("latin-1")
        return self._give(*_settled(self._held))

    def end(self) -> bytes:
        whole = len(self._held)
        return self._give(whole, whole, whole)

    def _give(self, upto: int, reach: int, limit: int) -> bytes:
        """Masks and gives the text before `upto`, and every secret that begins before `reach`, as far as `limit`."""
        if not upto:
            return b""
        shift = len(self._before)
        text = self._before + self._held
        found = [one for one in self._mask.found(text) if shift <= one.start < reach + shift]
        upto = max([upto, *(min(one.end - shift, limit) for one in found)])
        within = [FoundSecret(one.start, min(one.end, upto + shift), one.kind) for one in found]
        given = _hidden(text[: upto + shift], within)[shift:]
        self._before = text[upto + shift - 1]
        self._held = self._held[upto:]
        return given.encode("latin-1")


def masked_pieces(mask: Mask, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of one content, masked; some may be empty."""
    stream = mask.stream()
    for piece in pieces:
        yield stream.feed(piece)
    yield stream.end()


def _settled(held: str) -> tuple[int, int, int]:
    """How much of it can be given, before where a secret in it must begin to be whole, and where an open key begins."""
    length = len(held)
    settled = max(held.rfind("\n"), held.rfind("\r")) + 1
    reach = settled
    if length - settled >= 2 * LINE_REACH:
        settled = length - LINE_REACH
        # What tells of a secret may stand before the cut, and the secret after it.
        reach = settled + SIGN_REACH
    anchor = PRIVATE_KEY.anchors[0]
    block = held.find(anchor, max(0, length - BLOCK_REACH))
    while block >= 0:
        end = _BLOCK_END.search(held, block)
        if end is None:
            return min(block, settled), min(block, reach), block
        block = held.find(anchor, end.end())
    return settled, reach, length


def _of_rule(rule: SecretRule, text: str) -> Iterator[FoundSecret]:
    for anchor in rule.anchors:
        at = text.find(anchor)
        while at >= 0:
            after = at + len(anchor)
            match = rule.pattern.match(text, at)
            if match is not None:
                group = "secret" if "secret" in rule.pattern.groupindex else 0
                if rule.holds is None or rule.holds(match[group]):
                    yield FoundSecret(match.start(group), match.end(group), rule.kind)
                    after = match.end()
            at = text.find(anchor, after)


def _of_values(values: Sequence[str], text: str) -> Iterator[FoundSecret]:
    for value in values:
        at = text.find(value)
        while at >= 0:
            yield FoundSecret(at, at + len(value), KNOWN_KIND)
            at = text.find(value, at + len(value))


def _apart(found: Iterable[FoundSecret]) -> list[FoundSecret]:
    """In order; those that overlap become one, which is called by the one that begins first."""
    apart: list[FoundSecret] = []
    for one in sorted(found, key=lambda secret: secret.start):
        last = apart[-1] if apart else None
        if last is None or one.start >= last.end:
            apart.append(one)
        elif one.end > last.end:
            apart[-1] = FoundSecret(last.start, one.end, last.kind)
    return apart


def _hidden(text: str, found: Sequence[FoundSecret]) -> str:
    if not found:
        return text
    pieces, at = [], 0
    for one in found:
        # As many lines as before, so that numbers of lines stay right.
        breaks = "\n" * text.count("\n", one.start, one.end)
        pieces += [text[at : one.start], replacement(one.kind), breaks]
        at = one.end
    return "".join([*pieces, text[at:]])


def _parts(value: str) -> Iterator[str]:
    """A value of several lines, such as a key, is known by each of its long lines."""
    lines = [line.strip() for line in value.splitlines()]
    for line in lines:
        if len(lines) == 1:
            long_enough = len(line) >= (LEAST_WORD if line.isalpha() or line.isdigit() else LEAST_KNOWN)
        else:
            long_enough = len(line) >= LEAST_LINE and not line.startswith("-----")
        if long_enough and len(line) <= LINE_REACH // 4:
            yield line


def _forms(value: str) -> Iterator[str]:
    encoded = value.encode(errors="replace")
    yield value
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield encoded.hex()
    yield encoded.hex().upper()
    for shift in range(3):
        # What stands before it shifts its base64; the letters at both ends then hold bits of the neighbours.
        whole = base64.b64encode(bytes(shift) + encoded).decode().rstrip("=")
        inner = whole[(0, 2, 3)[shift] : len(whole) - (1 if (shift + len(encoded)) % 3 else 0)]
        if len(inner) >= LEAST_KNOWN:
            yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _longest_first(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values), key=lambda value: (-len(value), value)))
