"""What the store hands out and takes in: plain frozen records, no sessions, no lazy loading."""

from __future__ import annotations

from db.records.answers import Answer, ClaimedQuery, Gold, Outcome, Receipt, RecentAnswer, Waiting
from db.records.exchange import (
    ExportReport,
    GivenLabel,
    GivenLabels,
    Guess,
    ImportReport,
    LabelEntry,
    LabelingTask,
    Picture,
    Problem,
    Problems,
    VoteEntry,
)
from db.records.grid import Group
from db.records.integrations import ApiToken, Delivery, NewApiToken, NewWebhook, Parcel, TokenHolder, Webhook
from db.records.machinery import Command, Job
from db.records.models import ModelVersion, NewModelVersion, PseudoLabelFile, TrainingCopy
from db.records.people import Account, Actor, Invitation, Login, Member, NewInvitation, NewSession, Role, User
from db.records.progress import Progress, Standing
from db.records.projects import ClassRecord, ClassUsage, Project, ProjectSpec, RetiredClass
from db.records.quality import (
    AnnotatorRecord,
    Decision,
    PastReview,
    ReviewItem,
    ReviewVote,
    ReviewVotes,
    TeamRecord,
    Votes,
)
from db.records.rounds import DueRound, Finished, Holdout, NewQuery, NewQueue, Round, RoundSummary
from db.records.samples import Counts, Display, NewFile, NewSample, NewShard, PoolIndex, Registered
from db.records.why import ClassName, Neighbor, Why

__all__ = [
    "Account",
    "Actor",
    "AnnotatorRecord",
    "Answer",
    "ApiToken",
    "ClaimedQuery",
    "ClassName",
    "ClassRecord",
    "ClassUsage",
    "Command",
    "Counts",
    "Decision",
    "Delivery",
    "Display",
    "DueRound",
    "ExportReport",
    "Finished",
    "GivenLabel",
    "GivenLabels",
    "Gold",
    "Group",
    "Guess",
    "Holdout",
    "ImportReport",
    "Invitation",
    "Job",
    "LabelEntry",
    "LabelingTask",
    "Login",
    "Member",
    "ModelVersion",
    "Neighbor",
    "NewApiToken",
    "NewFile",
    "NewInvitation",
    "NewModelVersion",
    "NewQuery",
    "NewQueue",
    "NewSample",
    "NewSession",
    "NewShard",
    "NewWebhook",
    "Outcome",
    "Parcel",
    "PastReview",
    "Picture",
    "PoolIndex",
    "Problem",
    "Problems",
    "Progress",
    "Project",
    "ProjectSpec",
    "PseudoLabelFile",
    "Receipt",
    "RecentAnswer",
    "Registered",
    "RetiredClass",
    "ReviewItem",
    "ReviewVote",
    "ReviewVotes",
    "Role",
    "Round",
    "RoundSummary",
    "Standing",
    "TeamRecord",
    "TokenHolder",
    "TrainingCopy",
    "User",
    "VoteEntry",
    "Votes",
    "Waiting",
    "Webhook",
    "Why",
]
