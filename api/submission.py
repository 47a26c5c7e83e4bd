"""A new run: from what a client sent to what the journal takes and the workflow starts with."""

import hashlib
import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from api.parts import ApiParts, ApiSettings
from api.schemas.pull_requests import PullRequestRequest
from api.schemas.runs import LimitsRequest, RepositoryRequest, RunRequest
from domain.agents import AGENTS
from domain.errors import InvalidRequest, ProviderRefused
from domain.limits import Limits
from domain.notify import Listener, why_not
from domain.policies import POLICIES
from domain.ports import Submission
from domain.pull_request import PullRequestSpec
from domain.repository import RepositorySpec
from domain.run import Fork, Publish, RunInput, RunSpec, RunSummary, title_of
from domain.terms import LimitsWanted

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
REF_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|[/.]$|\.lock$")


def submission(asked: RunRequest, run_id: str, owner: str, key: str | None, parts: ApiParts) -> Submission:
    """Raises InvalidRequest, naming the choices, for what this server does not have."""
    _check_named("agent", asked.agent, AGENTS)
    _check_named("tool_policy", asked.tool_policy, POLICIES)
    agent = AGENTS[asked.agent]
    model = checked_model(asked.model or agent.model or parts.settings.default_model, parts)
    if not asked.task.strip():
        raise InvalidRequest("task: it is blank", "Say what is to be done.")
    publish = _publish(asked)
    spec = RunSpec(
        task=asked.task,
        repository=_repository(asked.repository, parts.settings) if asked.repository else None,
        agent=asked.agent,
        model=asked.model,
        fallback_models=None if asked.fallback_models is None else tuple(asked.fallback_models),
        plan=asked.plan or asked.plan_approval,
        plan_approval=asked.plan_approval,
        tool_policy=asked.tool_policy,
        publish=publish,
        pull_request=_pull_request(asked, publish, parts),
        publish_approval=asked.publish_approval,
        comment_on=_comment_on(asked, parts),
        notify_url=_notify_url(asked, parts.settings),
        verify=tuple(asked.verify),
        setup=asked.setup,
        limits=limits(agent.limits, asked.limits),
        sandbox_limits=LimitsWanted.model_validate(asked.sandbox_limits.model_dump()),
        priority=asked.priority,
        labels=asked.labels,
    )
    return Submission(
        run_id=run_id,
        spec=spec,
        model=model,
        fallback_models=_fallback_models(asked, model, parts),
        owner=owner,
        idempotency_key=key,
        request_hash=hashlib.sha256(asked.model_dump_json().encode()).hexdigest(),
    )


def run_input(run: RunSummary | Submission, settings: ApiSettings) -> RunInput:
    """What the workflow needs to know, and never the text of the task."""
    spec = run.spec
    return RunInput(
        run_id=run.run_id,
        agent=spec.agent,
        model=run.model,
        title=title_of(spec.task),
        plan=spec.plan,
        plan_approval=spec.plan_approval,
        publish=spec.publish,
        publish_approval=spec.publish_approval,
        comment_on=spec.comment_on,
        listeners=_listeners(spec, settings),
        has_repository=spec.repository is not None,
        has_setup=spec.setup is not None,
        verify_commands=len(spec.verify),
        limits=spec.limits,
        priority=spec.priority,
        owner=run.owner,
        repository=spec.repository.url if spec.repository else "",
        signal_decisions=settings.signal_decisions,
        pace=settings.pace,
        fork=fork_of(run),
        child=run.child if isinstance(run, RunSummary) else None,
    )


def fork_of(run: RunSummary | Submission) -> Fork | None:
    if isinstance(run, RunSummary):
        return run.fork
    return run.forking.fork if run.forking else None


def limits(base: Limits, asked: LimitsRequest) -> Limits:
    """The agent kind's limits, with what the request names in place of its own."""
    return Limits.model_validate({**base.model_dump(), **asked.model_dump(exclude_unset=True)})


def _check_named(field: str, name: str, choices: Collection[str]) -> None:
    if name not in choices:
        raise InvalidRequest(f"{field}: there is no {name!r} here", f"Choose one of: {_listed(choices)}.")


def _publish(asked: RunRequest) -> Publish:
    """Who says how the pull request shall be wants one."""
    wanted = asked.publish or ("pull_request" if asked.pull_request else None)
    if asked.repository is None and wanted in ("branch", "pull_request"):
        raise InvalidRequest("publish: there is no repository to push a branch to", "Name one, or publish `none`.")
    if asked.pull_request is not None and wanted != "pull_request":
        raise InvalidRequest(
            f"pull_request: the run publishes `{wanted}`", "Publish a `pull_request`, or leave the field out."
        )
    return wanted or ("branch" if asked.repository else "none")


def _pull_request(asked: RunRequest, publish: Publish, parts: ApiParts) -> PullRequestSpec:
    """Raises InvalidRequest where none can be opened for the repository."""
    if publish != "pull_request" or asked.repository is None:
        return PullRequestSpec()
    if parts.forges is None:
        raise InvalidRequest("publish: this server opens no pull requests", "Publish a `branch`.")
    parts.forges.check(asked.repository.url)
    wanted = asked.pull_request or PullRequestRequest()
    if wanted.base is not None and REF_REFUSED.search(wanted.base):
        raise InvalidRequest("pull_request.base: this cannot be a branch", "Check the spelling.")
    return PullRequestSpec.model_validate(wanted.model_dump())


def _notify_url(asked: RunRequest, settings: ApiSettings) -> str | None:
    """Raises InvalidRequest where the operator does not allow it."""
    if asked.notify_url is not None and (wrong := why_not(asked.notify_url, settings.notify)):
        raise InvalidRequest(f"notify_url: {wrong}", "Name one of the operator's hosts, or leave it out.")
    return asked.notify_url


def _listeners(spec: RunSpec, settings: ApiSettings) -> tuple[Listener, ...]:
    known: tuple[tuple[Listener, str | None], ...] = (("site", settings.notify.url), ("request", spec.notify_url))
    return tuple(listener for listener, url in known if url is not None)


def _comment_on(asked: RunRequest, parts: ApiParts) -> int | None:
    """Raises InvalidRequest where the repository's forge takes no comments of ours."""
    if asked.comment_on is None:
        return None
    if asked.repository is None:
        raise InvalidRequest("comment_on: there is no repository whose issue it could be", "Name one, or leave it out.")
    if parts.forges is None:
        raise InvalidRequest("comment_on: this server comments on nothing", "Leave it out.")
    parts.forges.check(asked.repository.url, "comment_on")
    return asked.comment_on


def checked_model(name: str | None, parts: ApiParts) -> str:
    if name is None:
        ready = [card.name for card in parts.models.catalogue() if card.ready]
        raise InvalidRequest(
            "model: none was named, and this server has no default",
            "Name one as `provider:model`" + (f" ({_listed(ready)})" if ready else "") + ", or set PERDURE_MODEL.",
        )
    try:
        parts.models.check(name)
    except ProviderRefused as error:
        raise InvalidRequest(error.message, error.next_step) from error
    return name


def _fallback_models(asked: RunRequest, model: str, parts: ApiParts) -> tuple[str, ...]:
    """The request's, the operator's for the agent kind, the agent kind's, or the server's; each can be asked here."""
    named = (
        asked.fallback_models,
        parts.settings.agent_fallback_models.get(asked.agent),
        AGENTS[asked.agent].fallback_models or None,
        parts.settings.fallback_models,
    )
    names = next(one for one in named if one is not None)
    for name in names:
        try:
            parts.models.check(name)
        except (InvalidRequest, ProviderRefused) as error:
            raise InvalidRequest(f"fallback_models: {error.message}", error.next_step) from error
    return tuple(dict.fromkeys(name for name in names if name != model))


def _repository(asked: RepositoryRequest, settings: ApiSettings) -> RepositorySpec:
    if CONTROL.search(asked.url):
        raise InvalidRequest("repository.url: it holds control characters", "Leave them out.")
    if asked.url.startswith("/"):
        _check_path(asked.url, settings.allowed_paths)
    elif " " in asked.url:
        raise InvalidRequest("repository.url: a URL may not hold spaces", "Write %20.")
    else:
        _check_url(asked.url, settings.allowed_hosts)
    if asked.ref is not None and (not asked.ref or REF_REFUSED.search(asked.ref)):
        raise InvalidRequest("repository.ref: this cannot be a branch, tag or commit", "Check the spelling.")
    return RepositorySpec(url=asked.url, ref=asked.ref)


def _check_path(path: str, allowed: tuple[str, ...]) -> None:
    if ".." in PurePosixPath(path).parts:
        raise InvalidRequest("repository.url: a local path may not hold `..`", "Give the path as it is.")
    if allowed and not any(PurePosixPath(path).is_relative_to(root) for root in allowed):
        raise InvalidRequest(
            "repository.url: this path is not among those that the server allows",
            "Ask the operator to add it to PERDURE_ALLOWED_PATHS.",
        )


def _check_url(url: str, allowed: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        host, scheme, named = parts.hostname, parts.scheme, parts.username or parts.password
        _ = parts.port
    except ValueError as error:
        raise InvalidRequest(f"repository.url: this is not a URL: {error}", "Check the spelling.") from error
    if scheme not in ("https", "http") or not host:
        raise InvalidRequest(
            "repository.url: it is neither an https:// or http:// URL nor an absolute path",
            "ssh:// and file:// are not taken; give the https:// URL, or the path alone.",
        )
    if named:
        raise InvalidRequest(
            "repository.url: it carries a name or password, which would be stored and shown",
            "Leave them out; the operator sets PERDURE_GIT_TOKEN.",
        )
    if allowed and host not in allowed:
        raise InvalidRequest(
            f"repository.url: the server does not clone from {host}", f"It clones from: {_listed(allowed)}."
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"
