"""Where a provider is, and what an operator sets to reach it."""

import hashlib

from pydantic import SecretStr

from domain.value import Value


class Endpoint(Value):
    provider: str
    """Also the tag of its reasoning blocks: they are sent back only to an endpoint of the same name."""
    base_url: str
    key: SecretStr
    key_variable: str
    url_variable: str

    @property
    def fingerprint(self) -> str:
        """Provider, and a digest of address and key: equal where both are, and nothing that leads back to the key."""
        told = f"{self.provider}\0{self.base_url}\0{self.key.get_secret_value()}"
        return f"{self.provider}/{hashlib.sha256(told.encode()).hexdigest()[:20]}"


class Patience(Value):
    """How long and how much of an answer is waited for."""

    connect_seconds: float = 10.0
    read_seconds: float = 240.0
    """Between two pieces of an answer; long, since a local server may think before its first token."""
    total_seconds: float = 570.0
    """Below the start-to-close timeout of a model call."""
    answer_bytes: int = 64 * 1024 * 1024
    """Of the raw stream; an answer that goes on for ever ends here."""
