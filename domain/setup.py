"""When the effect of a setup command may be taken over from an earlier run."""

import hashlib
import json
from collections.abc import Mapping

from domain.repository import ResolvedRepository
from domain.terms import Terms

REUSED_FOR_SECONDS = 7 * 24 * 3600
"""What a command fetched from elsewhere grows old."""


def setup_key(repository: ResolvedRepository, command: str, terms: Terms, sandbox: Mapping[str, object]) -> str:
    """Equal where repository, commit, command, and all that the command can see of its surroundings are equal."""
    seen = [repository.url, repository.commit, command, terms.model_dump(mode="json"), dict(sandbox)]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
