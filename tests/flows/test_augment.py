"""Rounds that make images for rare classes: through the gate, into the next training, safe to kill at every step."""

from __future__ import annotations

import pytest

from db import projects, samples, synthetic
from db.records import Project
from flows.augment import augment
from flows.augment_work import Wish
from flows.report import SilentReporter
from flows.store import Store
from tests.flows.conftest import make_project, read_digits

QUIET = SilentReporter()
