"""A person's word, and the plan."""

from typing import Literal

from domain.approval import ApprovalCard, DecideApproval, Plan
from domain.value import Value


class ApprovalRequested(Value):
    type: Literal["approval_requested"] = "approval_requested"
    card: ApprovalCard


class ApprovalDecided(Value):
    type: Literal["approval_decided"] = "approval_decided"
    decision: DecideApproval


class PlanProposed(Value):
    type: Literal["plan_proposed"] = "plan_proposed"
    plan: Plan


class PlanAccepted(Value):
    """The plan that the work follows; `by` is empty where no approval was asked."""

    type: Literal["plan_accepted"] = "plan_accepted"
    plan: Plan
    by: str = ""
