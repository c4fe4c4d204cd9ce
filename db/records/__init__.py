"""What the store hands out and takes in: plain frozen records, no sessions, no lazy loading."""

from __future__ import annotations

from db.records.answers import Answer, ClaimedQuery, Gold, LabelRow, Outcome, Receipt, RecentAnswer, Waiting
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
from db.records.machinery import Command, Job, OutboxMessage
from db.records.models import ModelVersion, NewModelVersion, PseudoLabelFile, TrainingCopy
from db.records.people import Account, Actor, Invitation, Login, NewInvitation, NewSession, Role, User
from db.records.progress import Progress, Standing
from db.records.projects import ClassRecord, Project, ProjectSpec
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
    "ClaimedQuery",
    "ClassName",
    "ClassRecord",
    "Command",
    "Counts",
    "Decision",
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
    "LabelRow",
    "LabelingTask",
    "Login",
    "ModelVersion",
    "Neighbor",
    "NewFile",
    "NewInvitation",
    "NewModelVersion",
    "NewQuery",
    "NewQueue",
    "NewSample",
    "NewSession",
    "NewShard",
    "OutboxMessage",
    "Outcome",
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
    "ReviewItem",
    "ReviewVote",
    "ReviewVotes",
    "Role",
    "Round",
    "RoundSummary",
    "Standing",
    "TeamRecord",
    "TrainingCopy",
    "User",
    "VoteEntry",
    "Votes",
    "Waiting",
    "Why",
]
