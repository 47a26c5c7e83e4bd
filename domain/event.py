"""The journal: everything said and done in a run, once.

An event has a deterministic `key` within its run; recording a key twice is recording it once. Keys:

    submitted  started  ended  forked  delegated  superseded/<run id>  race  repository  rules  workspace/<generation>
    status/<n>  status/turn/<n>/children/<first call>/<which>  message/<message id>  message/forked/<n>
    turn/<n>  turn/<n>/note/<k>  turn/<n>/refused/<attempt>  turn/<n>/held  turn/<n>/let_in  model/<n>
    wrap_up/<bounds>  limits/<approval id>  price/<model>
    <call>/started/<attempt>  <call>/redone/<attempt>  <call>/returned
    approval/<approval id>/requested  approval/<approval id>/decided
    connection/<call>/<attempt>/<n>  connection/<call>/<attempt>/rest
    plan/<n>  verify/<round>  work/<n>
    <effect>/intended/<attempt>  <effect>/failed/<attempt>  <effect>/done

where <call> is `turn/<n>/call/<i>`, `verify/<round>/call/<i>`, `setup/call/0` or `publish/<n>/call/0`, and <effect> is
`effect/push`, `effect/pull_request`, `effect/comment`, `effect/notify/<what>` or `effect/<call>`.
"""

from typing import Annotated

from pydantic import Field, TypeAdapter

from domain.events.approval import ApprovalDecided, ApprovalRequested, PlanAccepted, PlanProposed
from domain.events.call import ConnectionsCounted, ConnectionTried, ToolRedone, ToolReturned, ToolStarted
from domain.events.effect import EffectDone, EffectFailed, EffectIntended, VerifyEnded, WorkCommitted
from domain.events.run import (
    LimitsRaised,
    RaceWon,
    RunDelegated,
    RunEnded,
    RunForked,
    RunStarted,
    RunSubmitted,
    RunSuperseded,
    StatusChanged,
    TeamLimitRaised,
)
from domain.events.turn import MessageReceived, ModelChanged, NoteAdded, PriceUnknown, TurnAnswered, TurnRefused
from domain.events.workspace import RepositoryResolved, RulesRead, WorkspaceOpened

__all__ = [
    "EVENT",
    "ApprovalDecided",
    "ApprovalRequested",
    "ConnectionTried",
    "ConnectionsCounted",
    "EffectDone",
    "EffectFailed",
    "EffectIntended",
    "Event",
    "LimitsRaised",
    "MessageReceived",
    "ModelChanged",
    "NoteAdded",
    "PlanAccepted",
    "PlanProposed",
    "PriceUnknown",
    "RaceWon",
    "RepositoryResolved",
    "RulesRead",
    "RunDelegated",
    "RunEnded",
    "RunForked",
    "RunStarted",
    "RunSubmitted",
    "RunSuperseded",
    "StatusChanged",
    "TeamLimitRaised",
    "ToolRedone",
    "ToolReturned",
    "ToolStarted",
    "TurnAnswered",
    "TurnRefused",
    "VerifyEnded",
    "WorkCommitted",
    "WorkspaceOpened",
]

Event = Annotated[
    RunSubmitted
    | RunStarted
    | RunEnded
    | RunForked
    | RunDelegated
    | RunSuperseded
    | RaceWon
    | StatusChanged
    | LimitsRaised
    | TeamLimitRaised
    | RepositoryResolved
    | WorkspaceOpened
    | RulesRead
    | MessageReceived
    | NoteAdded
    | PriceUnknown
    | TurnAnswered
    | TurnRefused
    | ModelChanged
    | ToolStarted
    | ToolRedone
    | ConnectionTried
    | ConnectionsCounted
    | ToolReturned
    | ApprovalRequested
    | ApprovalDecided
    | PlanProposed
    | PlanAccepted
    | VerifyEnded
    | WorkCommitted
    | EffectIntended
    | EffectDone
    | EffectFailed,
    Field(discriminator="type"),
]
EVENT = TypeAdapter[Event](Event)
