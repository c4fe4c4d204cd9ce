"""What the Project page asks the flows for: a round that was canceled waits, a folder stays below its root."""

from __future__ import annotations

from pathlib import Path

import pytest

from db import commands, jobs
from flows.errors import Canceled, UsageError
from flows.jobs import working
from flows.page_sources import require_allowed
from flows.reconcile import reconcile
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import Store
from tests.flows.conftest import make_project, read_digits

QUIET = SilentReporter()


def test_a_canceled_round_waits_until_somebody_starts_it(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 60)
    assert [work.flow for work in reconcile(store, lambda _: True)] == ["active_learning_round"]
    with pytest.raises(Canceled), working(store, project.id, "round", QUIET) as job:  # noqa: PT012
        jobs.request_cancel(store.database, store.actor, job.job.id)
        job.progress(0, 0, "a message that is new, so that the heartbeat is written now")
    assert reconcile(store, lambda _: True) == []
    commands.post(store.database, store.actor, project.id, "round", {}, "again")
    [work] = reconcile(store, lambda _: True)
    assert (work.flow, work.project_id) == ("active_learning_round", project.id)


def test_a_folder_that_a_page_names_stays_below_the_root(settings: Settings, tmp_path: Path) -> None:
    """Threats T1 and T2: the flow looks again, links followed, whatever the page let through."""
    root = tmp_path / "pictures"
    (root / "birds").mkdir(parents=True)
    (root / "away").symlink_to("/etc")
    require_allowed(settings, "/etc")  # no root: the page decides by who reaches it
    kept = settings.model_copy(update={"ingest_root": root})
    require_allowed(kept, str(root / "birds"))
    require_allowed(kept, str(settings.home / "inbox" / "1" / "upload"))
    for wrong in ("/etc", str(root / "away"), str(root / "birds" / ".." / ".."), "digits", str(root) + "-other"):
        with pytest.raises(UsageError, match="expected a path below"):
            require_allowed(kept, wrong)
    assert kept.environment()["BORDERLINE_INGEST_ROOT"] == str(root)
