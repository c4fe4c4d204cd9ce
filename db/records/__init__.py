"""What the store hands out and takes in: plain frozen records, no sessions, no lazy loading."""

from __future__ import annotations

from db.records.answers import Answer, ClaimedQuery, LabelRow, Outcome, Receipt, RecentAnswer, Waiting
from db.records.integrations import ApiToken, Delivery, NewApiToken, NewWebhook, Parcel, TokenHolder, Webhook
from db.records.machinery import Command, Job, OutboxMessage
from db.records.models import ModelVersion, NewModelVersion, PseudoLabelFile, TrainingCopy
from db.records.people import Actor, Role, User
from db.records.progress import Progress, Standing
from db.records.projects import ClassRecord, Project, ProjectSpec
from db.records.rounds import DueRound, Finished, Holdout, NewQuery, NewQueue, Round, RoundSummary
from db.records.samples import Counts, Display, NewFile, NewSample, NewShard, PoolIndex, Registered

__all__ = [
    "Actor",
    "Answer",
    "ApiToken",
    "ClaimedQuery",
    "ClassRecord",
    "Command",
    "Counts",
    "Delivery",
    "Display",
    "DueRound",
    "Finished",
    "Holdout",
    "Job",
    "LabelRow",
    "ModelVersion",
    "NewApiToken",
    "NewFile",
    "NewModelVersion",
    "NewQuery",
    "NewQueue",
    "NewSample",
    "NewShard",
    "NewWebhook",
    "OutboxMessage",
    "Outcome",
    "Parcel",
    "PoolIndex",
    "Progress",
    "Project",
    "ProjectSpec",
    "PseudoLabelFile",
    "Receipt",
    "RecentAnswer",
    "Registered",
    "Role",
    "Round",
    "RoundSummary",
    "Standing",
    "TokenHolder",
    "TrainingCopy",
    "User",
    "Waiting",
    "Webhook",
]
