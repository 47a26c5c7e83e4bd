"""What the commands of a run get: how much, which image, which hosts."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field

from domain.account import TeamLimits
from domain.network import AllowedHost
from domain.notify import Notify
from domain.repository import Verdict
from domain.sandbox import SandboxLimits
from domain.value import Value
from domain.weather import WeatherRules

OptionalTool = Literal["http"]
"""Tools that no agent has unless the operator says so."""


class LimitsWanted(Value):
    """Limits of commands by name; what is None stays as it was."""

    memory_bytes: int | None = Field(default=None, ge=64 * 1024**2)
    processes: int | None = Field(default=None, ge=8)
    cpus: float | None = Field(default=None, gt=0)
    file_bytes: int | None = Field(default=None, ge=1024**2)
    output_bytes: int | None = Field(default=None, ge=64 * 1024)
    disk_bytes: int | None = Field(default=None, ge=1024**2)
    disk_files: int | None = Field(default=None, ge=100)
    seconds: int | None = Field(default=None, ge=1)


class Rules(Value):
    """What the operator decided for an agent kind, or for repositories."""

    tools: tuple[OptionalTool, ...] = ()
    """Beyond those of the agent kind."""

    network: tuple[AllowedHost, ...] = ()
    image: str | None = None
    limits: LimitsWanted = LimitsWanted()


class RepositoryRules(Rules):
    """`match` is a glob over the repository's URL or path."""

    match: str


class PublishRules(Value):
    """What becomes of work that a rule speaks of: a person is asked, it is refused, or it goes out."""

    ci: Verdict = "ask"
    """Workflows and other files that a forge or a build server runs."""
    secret: Verdict = "ask"  # noqa: S105  # a verdict, no password
    bandit: Verdict = "ask"
    """What bandit calls of high severity in changed lines of Python, and Python that it could not check."""
    deleted_tests: Verdict = "ask"
    large: Verdict = "ask"
    most_lines: int = Field(default=10_000, ge=1)
    """Added and removed together; more is `large`."""


class AgentRules(Rules):
    fallback_models: tuple[str, ...] | None = None
    """`provider:model`: who answers while the run's own model cannot; None: as the agent kind has it."""


class TeamRules(TeamLimits):
    """`members` are owners of runs that count as this team."""

    members: tuple[str, ...] = ()


class Site(Value):
    """The operator's decisions, as the file PERDURE_SITE says them. Without one nothing reaches the network."""

    agents: dict[str, AgentRules] = {}
    repositories: tuple[RepositoryRules, ...] = ()
    publish: PublishRules = PublishRules()
    weather: WeatherRules = WeatherRules()
    notify: Notify = Notify()
    teams: dict[str, TeamRules] = {}
    """By name; `default` holds for each owner of runs that is neither named nor a member."""


DEFAULT_TEAM = "default"


def team_of(site: Site, owner: str) -> tuple[str, TeamLimits]:
    """Whose monthly limits hold for the runs of an owner, who is a team of their own where no other is named."""
    for name, rules in site.teams.items():
        if owner in rules.members:
            return name, rules
    return owner, site.teams.get(owner) or site.teams.get(DEFAULT_TEAM) or TeamLimits()


class Terms(Value):
    """Settled when a workspace is opened, and recorded in the run."""

    limits: SandboxLimits = SandboxLimits()
    network: tuple[AllowedHost, ...] = ()
    image: str | None = None
    tools: tuple[str, ...] = ()
    """Which the operator gave to the agent beyond those of its kind."""


def terms_of(site: Site, agent: str, limits: SandboxLimits, repository: str, wanted: LimitsWanted) -> Terms:
    """The agent kind's, then its repository's rules; hosts add up, a run itself can only lower limits."""
    matching = (one for one in site.repositories if fnmatchcase(repository, one.match))
    rules: list[Rules] = [site.agents.get(agent, AgentRules()), *matching]
    for rule in rules:
        limits = limits.model_copy(update=_said(rule.limits))
    lowered = {name: min(value, getattr(limits, name)) for name, value in _said(wanted).items()}
    return Terms(
        limits=limits.model_copy(update=lowered),
        network=tuple(host for rule in rules for host in rule.network),
        tools=tuple(dict.fromkeys(tool for rule in rules for tool in rule.tools)),
        image=next((rule.image for rule in reversed(rules) if rule.image), None),
    )


def _said(wanted: LimitsWanted) -> Mapping[str, Any]:
    return wanted.model_dump(exclude_none=True)
