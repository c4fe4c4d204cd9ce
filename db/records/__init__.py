"""What the store hands out and takes in: plain frozen records, no sessions, no lazy loading."""

from __future__ import annotations

from db.records.answers import Answer, ClaimedQuery, LabelRow, Outcome, Receipt, RecentAnswer, Waiting
from db.records.machinery import Command, Job, OutboxMessage
from db.records.models import ModelVersion, NewModelVersion, PseudoLabelFile, TrainingCopy
from db.records.people import Actor, Member, Role, User
from db.records.progress import Progress, Standing
from db.records.projects import ClassRecord, ClassUsage, Project, ProjectSpec, RetiredClass
from db.records.rounds import DueRound, Finished, Holdout, NewQuery, NewQueue, Round, RoundSummary
from db.records.samples import Counts, Display, NewFile, NewSample, NewShard, PoolIndex, Registered

__all__ = [
    "Actor",
    "Answer",
    "ClaimedQuery",
    "ClassRecord",
    "ClassUsage",
    "Command",
    "Counts",
    "Display",
    "DueRound",
    "Finished",
    "Holdout",
    "Job",
    "LabelRow",
    "Member",
    "ModelVersion",
    "NewFile",
    "NewModelVersion",
    "NewQuery",
    "NewQueue",
    "NewSample",
    "NewShard",
    "OutboxMessage",
    "Outcome",
    "PoolIndex",
    "Progress",
    "Project",
    "ProjectSpec",
    "PseudoLabelFile",
    "Receipt",
    "RecentAnswer",
    "Registered",
    "RetiredClass",
    "Role",
    "Round",
    "RoundSummary",
    "Standing",
    "TrainingCopy",
    "User",
    "Waiting",
]
