"""The tables of design.md's words. Constraints come first: what must never happen is forbidden by the database.

No foreign key cascades a delete anywhere: removing a row that labels or events refer to is refused.
"""

from __future__ import annotations

from db.tables.answers import AnnotationEventRow, AnnotationRow, ClaimRow, GoldRow, LabelTableRow
from db.tables.base import Base
from db.tables.comparisons import ComparisonFileRow, ComparisonPointRow, ComparisonRow, ComparisonRunRow
from db.tables.machinery import CommandRow, JobRow, OutboxRow, ScheduleRow, WebhookDeliveryRow, WebhookRow
from db.tables.models import (
    AdversarialCopyRow,
    ModelChoiceRow,
    ModelVersionRow,
    PredictionRow,
    PseudoLabelRow,
    RoundModelRow,
)
from db.tables.people import ApiTokenRow, InvitationRow, MembershipRow, SessionRow, ThrottleRow, UserRow
from db.tables.projects import ClassRow, ProjectRow
from db.tables.rounds import QueryRow, RoundRow
from db.tables.samples import FileRow, SampleRow, ShardRow
from db.tables.synthetic import GateDecisionRow, GeneratorVersionRow, SyntheticEventRow, SyntheticSampleRow

__all__ = [
    "AdversarialCopyRow",
    "AnnotationEventRow",
    "AnnotationRow",
    "ApiTokenRow",
    "Base",
    "ClaimRow",
    "ClassRow",
    "CommandRow",
    "ComparisonFileRow",
    "ComparisonPointRow",
    "ComparisonRow",
    "ComparisonRunRow",
    "FileRow",
    "GateDecisionRow",
    "GeneratorVersionRow",
    "GoldRow",
    "InvitationRow",
    "JobRow",
    "LabelTableRow",
    "MembershipRow",
    "ModelChoiceRow",
    "ModelVersionRow",
    "OutboxRow",
    "PredictionRow",
    "ProjectRow",
    "PseudoLabelRow",
    "QueryRow",
    "RoundModelRow",
    "RoundRow",
    "SampleRow",
    "ScheduleRow",
    "SessionRow",
    "ShardRow",
    "SyntheticEventRow",
    "SyntheticSampleRow",
    "ThrottleRow",
    "UserRow",
    "WebhookDeliveryRow",
    "WebhookRow",
]
