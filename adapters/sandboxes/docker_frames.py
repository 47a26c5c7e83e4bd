"""What comes on an engine's stream: output and error in frames, each with a header of eight bytes."""

from collections.abc import Callable, Mapping

HEADER_BYTES = 8
Take = Callable[[bytes], None]


class Frames:
    """`takes` by the number of the stream inside: 1 is output, 2 is error."""

    def __init__(self, takes: Mapping[int, Take]) -> None:
        self._takes = takes
        self._header = b""
        self._take: Take | None = None
        self._left = 0

    def feed(self, chunk: bytes) -> None:
        """Frames may be cut anywhere; nothing of them is kept."""
        rest = memoryview(chunk)
        while rest:
            if self._left:
                part, rest = rest[: self._left], rest[self._left :]
                self._left -= len(part)
                if self._take is not None:
                    self._take(bytes(part))
                continue
            missing = HEADER_BYTES - len(self._header)
            self._header += bytes(rest[:missing])
            rest = rest[missing:]
            if len(self._header) == HEADER_BYTES:
                self._take = self._takes.get(self._header[0])
                self._left = int.from_bytes(self._header[4:], "big")
                self._header = b""
