"""Who did what, and when: every row that says so, as plain entries, in an order that stays.

The tables come one after the other, each by its key: later rows come later, so that two exports can be compared line by
line. Columns are named one by one; a secret or its hash is in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, inspect, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.access import authorize
from db.engine import Database
from db.records import Actor, Role
from db.tables import (
    AnnotationEventRow,
    ApiTokenRow,
    Base,
    ClassRow,
    CommandRow,
    ComparisonRow,
    GateDecisionRow,
    GoldRow,
    InvitationRow,
    JobRow,
    LabelTableRow,
    MembershipRow,
    ModelChoiceRow,
    ModelVersionRow,
    ProjectRow,
    RoundRow,
    ScheduleRow,
    SessionRow,
    SyntheticEventRow,
    UserRow,
    WebhookRow,
)

PAGE = 1000

Entry = dict[str, Any]


@dataclass(frozen=True)
class _Source:
    """One table: what an entry of it is called, who did it, the moments it knows (the first is its own), the rest."""

    what: str
    row: type[Base]
    by: str | None
    moments: tuple[str, ...]
    rest: tuple[str, ...]
    project: str | None = "project_id"


_SYNTHETIC = ("generator_version_id", "class_id", "verdict", "decided_by", "against_gate", "weight", "changed", "note")
_EVENT = ("sample_id", "query_id", "kind", "outcome", "class_id", "answer_id", "target_id", "counts", "digest")
_MADE, _ENDED = "created_at", "deleted_at"

SOURCES = (
    _Source("user", UserRow, None, (_MADE, "disabled_at"), ("id", "name", "kind", "role"), None),
    _Source("session", SessionRow, "user_id", (_MADE, "seen_at", "revoked_at"), ("id", "expires_at"), None),
    _Source(
        "invitation",
        InvitationRow,
        "created_by",
        (_MADE, "used_at"),
        ("id", "user_id", "name", "role", "expires_at", "used_by"),
    ),
    _Source(
        "api_token",
        ApiTokenRow,
        "created_by",
        (_MADE, "used_at", "revoked_at"),
        ("id", "user_id", "name", "expires_at"),
    ),
    _Source("project", ProjectRow, "created_by", (_MADE, _ENDED), ("name", "kind", "state", "strategy", "model"), "id"),
    _Source("member", MembershipRow, None, (_MADE,), ("user_id", "role", "state")),
    _Source("class", ClassRow, None, (_MADE, "retired_at"), ("id", "name", "position", "merged_into_id")),
    _Source("webhook", WebhookRow, "created_by", (_MADE, "disabled_at"), ("id", "url", "topics")),
    _Source(
        "schedule",
        ScheduleRow,
        "created_by",
        (_MADE, "changed_at", "last_started_at"),
        ("id", "scope", "kind", "trigger", "cron", "timezone", "seconds", "labels", "is_on"),
    ),
    _Source("command", CommandRow, "created_by", (_MADE, "finished_at"), ("id", "kind", "state")),
    _Source(
        "job",
        JobRow,
        "started_by",
        ("started_at", "cancel_requested_at", "ended_at"),
        ("id", "kind", "owner", "state", "attempt"),
    ),
    _Source(
        "round",
        RoundRow,
        None,
        ("begun_at", "opened_at", "completed_at", "closed_at"),
        ("id", "number", "k", "strategy"),
    ),
    _Source(
        "model_version",
        ModelVersionRow,
        None,
        (_MADE,),
        ("id", "number", "round_id", "file_id", "labels_used", "is_current"),
    ),
    _Source("model_choice", ModelChoiceRow, "chosen_by", ("chosen_at",), ("id", "model_version_id", "reason")),
    _Source("comparison", ComparisonRow, "created_by", (_MADE, "updated_at", _ENDED), ("id", "name", "state")),
    _Source("gold", GoldRow, "created_by", (_MADE, "retired_at"), ("id", "sample_id", "class_id")),
    _Source("gate_decision", GateDecisionRow, None, (_MADE,), ("id", "generator_version_id", "class_id", "verdict")),
    _Source("synthetic_event", SyntheticEventRow, "user_id", (_MADE,), ("id", *_SYNTHETIC)),
    _Source("annotation_event", AnnotationEventRow, "user_id", (_MADE,), ("id", *_EVENT)),
    _Source("label", LabelTableRow, None, ("updated_at",), ("id", "sample_id", "class_id", "origin", "votes")),
)


def entries(
    database: Database, actor: Actor, project_id: int | None = None, since: int | None = None
) -> Iterator[Entry]:
    """Return entries, read page by page as they are asked for.

    Args:
        database: the store.
        actor: who asks; asked again at every page.
        project_id: None for everything there is, people's accounts and sessions included.
        since: only rows of which a moment is as late (ms, by the database's clock).

    Raises:
        PermissionDenied: below administrator in the project, or (for everything) everywhere.
        NotFound: if there is no such project.
    """

    def check(session: Session) -> dict[int, str]:
        authorize(session, actor, project_id, Role.administrator)
        return dict(session.execute(select(UserRow.id, UserRow.name)).tuples().all())

    names = database.read(check)
    chosen = [source for source in SOURCES if project_id is None or source.project is not None]
    return (entry for source in chosen for entry in _entries(database, actor, project_id, since, source, names))


def _entries(
    database: Database,
    actor: Actor,
    project_id: int | None,
    since: int | None,
    source: _Source,
    names: Mapping[int, str],
) -> Iterator[Entry]:
    keys = [getattr(source.row, str(column.key)) for column in inspect(source.row).primary_key]
    last: tuple[Any, ...] | None = None
    while True:

        def work(session: Session, last: tuple[Any, ...] | None = last) -> list[Base]:
            authorize(session, actor, project_id, Role.administrator)
            statement = select(source.row).where(*_wanted(source, project_id, since))
            if last is not None:
                statement = statement.where(tuple_(*keys) > tuple_(*last))
            return list(session.scalars(statement.order_by(*keys).limit(PAGE)))

        page = database.read(work)
        yield from (_entry(source, row, names) for row in page)
        if len(page) < PAGE:
            return
        last = tuple(getattr(page[-1], key.key) for key in keys)


def _wanted(source: _Source, project_id: int | None, since: int | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if project_id is not None and source.project is not None:
        wanted.append(_column(source, source.project) == project_id)
    if since is not None:
        wanted.append(or_(*(_column(source, moment) >= since for moment in source.moments)))
    return wanted


def _column(source: _Source, name: str) -> InstrumentedAttribute[Any]:
    found: InstrumentedAttribute[Any] = getattr(source.row, name)
    return found


def _entry(source: _Source, row: Base, names: Mapping[int, str]) -> Entry:
    said: Entry = {"what": source.what, "at": _time(getattr(row, source.moments[0]))}
    if source.project is not None:
        said["project_id"] = getattr(row, source.project)
    if source.by is not None:
        who = getattr(row, source.by)
        said |= {"by": who, "by_name": names.get(who)}
    said |= {moment: _time(getattr(row, moment)) for moment in source.moments[1:]}
    said |= {name: _time(getattr(row, name)) if name == "expires_at" else getattr(row, name) for name in source.rest}
    if "url" in said:  # what follows the host can be a secret of its own
        said["url"] = urlsplit(said["url"]).hostname
    return said


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
