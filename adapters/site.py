"""The operator's file: what agent kinds and repositories get."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from domain.agents import AGENTS
from domain.errors import InvalidRequest
from domain.terms import Site


def load_site(path: str | None) -> Site:
    """Raises InvalidRequest where the file is missing or wrong; without one nothing is opened to anybody."""
    if path is None:
        return Site()
    try:
        site = Site.model_validate(yaml.safe_load(Path(path).read_text()) or {})
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise InvalidRequest(f"The site file {path} cannot be read: {error}", "Check PERDURE_SITE.") from error
    if unknown := sorted(set(site.agents) - set(AGENTS)):
        raise InvalidRequest(
            f"The site file {path} names agent kinds that there are not: {', '.join(unknown)}.",
            f"Agent kinds are: {', '.join(sorted(AGENTS))}.",
        )
    return site
