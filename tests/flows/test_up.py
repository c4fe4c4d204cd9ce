"""What `borderline up` checks before it starts, and what makes a start different from the one that was killed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import reconcile
from flows.errors import UsageError
from flows.processes import any_port
from flows.reconcile import DueWork
from flows.settings import BOOT, Settings
from flows.up import build_services, check_ports


def test_beyond_loopback_it_refuses_without_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BORDERLINE_ALLOW_REMOTE", "1")  # the switch of before opens nothing any more
    settings = Settings(home=tmp_path, host="0.0.0.0", port=any_port())  # noqa: S104 - what must be refused
    with pytest.raises(UsageError, match=r"BORDERLINE_ACCOUNTS=accounts.*BORDERLINE_ALLOW_REMOTE is no more"):
        check_ports(settings)
    for mode in ("accounts", "oidc"):
        assert check_ports(settings.model_copy(update={"accounts": mode})).port == settings.port


def test_a_run_that_a_killed_start_left_pending_is_not_taken_for_this_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Prefect gives the same run for the same key: one left pending by a killed `up` would block its work for ever."""
    runs: dict[str, SimpleNamespace] = {}

    def run_deployment(*, idempotency_key: str, **_: object) -> SimpleNamespace:
        pending = SimpleNamespace(state=SimpleNamespace(is_final=lambda: False, name="Pending"))
        return runs.setdefault(idempotency_key, pending)

    monkeypatch.setattr("prefect.deployments.run_deployment", run_deployment)
    work = DueWork("active_learning_round", 1, "round-1-2-3", {"project_id": 1})
    for _ in range(2):  # two starts of `up`, each ringing twice
        services = build_services(Settings(home=tmp_path, prefect_port=any_port()), "mark")
        monkeypatch.setenv(BOOT, services[-1].environment[BOOT])
        reconcile.start_deployment(work)
        reconcile.start_deployment(work)
    assert len(runs) == 2


def test_a_run_that_ended_without_doing_the_work_gets_a_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def run_deployment(*, idempotency_key: str, **_: object) -> SimpleNamespace:
        keys.append(idempotency_key)
        return SimpleNamespace(state=SimpleNamespace(is_final=lambda: len(keys) < 3, name="Crashed"))

    monkeypatch.setattr("prefect.deployments.run_deployment", run_deployment)
    reconcile.start_deployment(DueWork("retrain", 1, "k"))
    assert len(set(keys)) == 3
