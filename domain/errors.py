"""Every failure that Perdure names.

PerdureError
├── CallerError                 the one who asked can mend it; HTTP shows it as a problem
│   ├── InvalidRequest          422
│   ├── Unauthorized            401
│   ├── Forbidden               403
│   ├── NotFound                404
│   ├── Conflict                409
│   └── TooLarge                413
├── ModelMistake                the model's own; it reads the message as its tool result
├── WorldError                  the world's; Temporal retries it, after `retry_after_seconds` where known
│   ├── ProviderUnavailable     a language model's 500s, timeouts and answers that broke off
│   │   ├── ProviderBusy        429, 503, 529: it is asked too much
│   │   ├── ProviderUnreachable no connection to it
│   │   ├── QuotaUsedUp         the account behind the key has no credit left
│   │   └── ProviderUnreadable  it answered, and nobody can use what: asked again, but not for ever
│   ├── StorageUnavailable      Postgres or the blob store
│   ├── RemoteUnavailable       a git remote
│   ├── SandboxUnavailable      the sandbox could not be started
│   ├── NotSent                 a request that did not leave: certainly nothing was changed
│   └── EffectTaken             another attempt has this effect in hand
├── EffectInDoubt               nobody knows whether an effect was made; a person says
├── NotAdmitted                 a limit is used up: the workflow is told, and asks a person
├── Fenced                      a newer attempt or generation owns the workspace; this one must stop
└── RunStopped                  the run cannot go on: `next_step` says what a person can do
    ├── ProviderRefused         unknown model, bad request, content policy
    │   └── KeyRefused          the key is wrong, was withdrawn, or may not do this
    ├── ContextTooLong          the conversation does not fit the model's window
    ├── RepositoryRefused       it does not exist, is not allowed, or has no such ref
    ├── SandboxRefused          the host cannot contain commands as configured
    ├── WorkRefused             what would be published breaks a rule
    └── OutOfSpace              the disk or a cap on it is full; inside a run it is waited for all the same
"""

from domain.account import Refusal


class PerdureError(Exception):
    """`message` says what was wrong, `next_step` what to do about it."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class CallerError(PerdureError):
    pass


class InvalidRequest(CallerError):
    pass


class Unauthorized(CallerError):
    pass


class Forbidden(CallerError):
    pass


class NotFound(CallerError):
    pass


class Conflict(CallerError):
    pass


class TooLarge(CallerError):
    pass


class ModelMistake(PerdureError):
    pass


class WorldError(PerdureError):
    """`retry_after_seconds` is the wait that the other side asked for, if it did."""

    def __init__(self, message: str, next_step: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(message, next_step)
        self.retry_after_seconds = retry_after_seconds


class ProviderUnavailable(WorldError):
    was_asked: bool = True
    """False where another run's refusal was known, and nobody was asked."""


class ProviderBusy(ProviderUnavailable):
    pass


class ProviderUnreachable(ProviderUnavailable):
    pass


class QuotaUsedUp(ProviderUnavailable):
    pass


class ProviderUnreadable(ProviderUnavailable):
    pass


class StorageUnavailable(WorldError):
    pass


class RemoteUnavailable(WorldError):
    pass


class SandboxUnavailable(WorldError):
    pass


class NotSent(WorldError):
    pass


class EffectTaken(WorldError):
    pass


class EffectInDoubt(PerdureError):
    """`approval_id` is what a person decides."""

    def __init__(self, message: str, approval_id: str) -> None:
        super().__init__(message, "Say whether it was made: reject leaves it as it is, approve makes it again.")
        self.approval_id = approval_id


class NotAdmitted(PerdureError):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"The limit of {refusal.limit} is used up")
        self.refusal = refusal


class Fenced(PerdureError):
    pass


class RunStopped(PerdureError):
    pass


class ProviderRefused(RunStopped):
    elsewhere: bool = True
    """False where no other model should be asked either."""


class KeyRefused(ProviderRefused):
    for_every_model: bool = True
    """False where the key is known, and may not use this model."""


class ContextTooLong(RunStopped):
    pass


class RepositoryRefused(RunStopped):
    pass


class SandboxRefused(RunStopped):
    pass


class WorkRefused(RunStopped):
    pass


class OutOfSpace(RunStopped):
    pass
