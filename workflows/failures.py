"""What a failed activity or phase means."""

from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutError, TimeoutType  # noqa: A004

from domain.value import Value


class Failure(Value):
    """Why a run cannot go on, and what a person can do."""

    kind: str
    message: str
    next_step: str = ""


def host_is_lost(error: ActivityError) -> bool:
    """True where the call must go to another host, or to this one with the workspace opened anew."""
    cause = error.cause
    if isinstance(cause, TimeoutError):
        return cause.type in (TimeoutType.SCHEDULE_TO_START, TimeoutType.HEARTBEAT)
    return isinstance(cause, ApplicationError) and cause.type == "Fenced"


def doubt_of(error: ActivityError) -> str | None:
    """The approval to ask for, where nobody knows whether an effect was made."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == "EffectInDoubt":
        return str(cause.details[1])
    return None


def failure_of(error: BaseException) -> Failure:
    """The innermost reason, in words."""
    reason = error
    while isinstance(reason, FailureError) and not isinstance(reason, ApplicationError) and reason.cause is not None:
        reason = reason.cause
    if isinstance(reason, ApplicationError):
        next_step = str(reason.details[0]) if reason.details else ""
        return Failure(kind=reason.type or "Failure", message=reason.message, next_step=next_step)
    if isinstance(reason, TimeoutError):
        return Failure(kind="Timeout", message="A step took longer than it may.", next_step="Start the run again.")
    return Failure(kind=type(reason).__name__, message=str(reason)[:2000])
