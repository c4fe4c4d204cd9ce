"""Projects: create, find, change, pause, delete. A deleted project keeps its labels and events."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import Actor, ClassRecord, Project, ProjectSpec, RetiredClass, Role
from db.tables import ClaimRow, ClassRow, ProjectRow, QueryRow
from db.workforce import check_order, check_people

__all__ = [
    "ClassRecord",
    "Project",
    "ProjectSpec",
    "create_project",
    "delete_project",
    "get_project",
    "list_projects",
    "set_paused",
    "update_project",
]

_KEYS = "123456789qwertyuiopasdghjklcvbnm"  # digits first; u, x, f, z, g and space stay free for the page where it can
_RESERVED = frozenset("uxfzg0")
MOST_CLASSES = 1000
KINDS = ("labeling", "simulation")
BALANCES = ("auto", "none", "sampling", "logit_adjustment", "balanced_softmax")
GENERATORS = ("none", "gan", "translation")
FEWEST_TO_GENERATE = 20  # below so many real images of a class the gate refuses (generation-and-attacks 1.1)
MOST_COPY_CHECKS = 0.2
PROMOTIONS = ("not_worse", "better", "always", "never")
PROMOTE_BY = ("accuracy", "balanced_accuracy")
SHOW_WHY = ("on request", "after", "never")


def _word(what: str) -> Callable[[Any], str]:
    return lambda value: inputs.name(value, what)


def _number(what: str, low: int, high: int) -> Callable[[Any], int]:
    return lambda value: inputs.integer(value, what, low, high)


def _one_of(value: Any, what: str, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise InvalidInput(f"expected {what} out of {', '.join(known)}, got {value!r}; choose one of them")
    return value


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": _word("a project's name"),
    "image_size": _number("image_size", 4, 1024),
    "kind": lambda value: _one_of(value, "a project's kind", KINDS),
    "model": _word("a model"),
    "weights": lambda value: inputs.body(value, "weights", longest=4096),
    "recipe": _word("a recipe"),
    "strategy": _word("a strategy"),
    "cold_start": _word("a strategy for the cold start"),
    "batch_size": _number("batch_size", 1, 100_000),
    "reserve_size": lambda value: None if value is None else inputs.integer(value, "reserve_size", 0, 1_000_000),
    "overlap": _number("overlap", 1, 100),
    "max_overlap": lambda value: None if value is None else inputs.integer(value, "max_overlap", 1, 100),
    "gold_share": lambda value: inputs.share(value, "gold_share"),
    "confirm_share": lambda value: inputs.share(value, "confirm_share"),
    "confirm_confidence": lambda value: inputs.share(value, "confirm_confidence"),
    "spot_check_share": lambda value: inputs.share(value, "spot_check_share"),
    "show_why": lambda value: _one_of(value, "when to show why an image is asked", SHOW_WHY),
    "balance": lambda value: _one_of(value, "how training evens out classes", BALANCES),
    "generate": lambda value: _one_of(value, "what makes images of rare classes", GENERATORS),
    "generate_below": _number("generate_below", FEWEST_TO_GENERATE, 1_000_000),
    "copy_check_share": lambda value: inputs.share(value, "copy_check_share", most=MOST_COPY_CHECKS),
    "promote": lambda value: _one_of(value, "when a new model becomes current", PROMOTIONS),
    "promote_by": lambda value: _one_of(value, "the figure that models are compared by", PROMOTE_BY),
    "promote_margin": lambda value: inputs.share(value, "promote_margin"),
    "label_budget": lambda value: None if value is None else inputs.integer(value, "label_budget", 1, 2**53),
    "holdout_size": _number("holdout_size", 0, 1_000_000),
    "holdout_share": lambda value: inputs.share(value, "holdout_share"),
    "guidelines": lambda value: inputs.body(value, "guidelines", longest=200_000),
    "seed": _number("seed", 0, 2**63 - 1),
    "show_predictions": bool,
}
_FIXED = ("kind", "image_size", "channels", "classes")  # the stored images and models depend on them


def create_project(
    database: Database, actor: Actor, spec: ProjectSpec, *, people_expected: int | None = None
) -> Project:
    """Create a project with its classes, which get the keys 1 to 9, then letters.

    Args:
        database: the store.
        actor: the acting user.
        spec: what the project is to be.
        people_expected: how many people will answer; an overlap above it (and above those known already) is refused.
            The page and the command line always say it. None asks for no check: a program that sets projects up
            before anybody is there; its rounds close with the votes that can be had.

    Raises:
        PermissionDenied: below administrator.
        InvalidInput: for a value out of range, an overlap that nobody could meet, or classes that are missing,
            repeated or too many.
        Conflict: if a project of that name exists.
    """
    values = {field: check(getattr(spec, field)) for field, check in _CHECKS.items()}
    names = _class_names(spec.classes)
    if spec.channels not in (1, 3):
        raise InvalidInput(f"expected 1 or 3 channels, got {spec.channels!r}; choose 1 for gray images, 3 for color")

    def work(session: Session) -> Project:
        authorize(session, actor, None, Role.administrator)
        _require_free(session, values["name"])
        check_order(values["overlap"], values["max_overlap"])
        if people_expected is not None:
            check_people(session, None, people_expected, values)
        at = now(session)
        row = ProjectRow(**values, channels=spec.channels, state="active", created_by=actor.user_id, created_at=at)
        session.add(row)
        session.flush()
        keys = class_keys(len(names))
        session.add_all(
            ClassRow(project_id=row.id, name=name, position=position, key=keys[position], created_at=at)
            for position, name in enumerate(names)
        )
        session.flush()
        return load(session, row)

    return database.write(work)


def get_project(database: Database, actor: Actor, name_or_id: str | int) -> Project:
    """Return a project by its name or id; a name that is only digits is looked up as a name first.

    Raises:
        NotFound: naming the projects that exist and the closest match.
        PermissionDenied: below viewer in it.
    """

    def work(session: Session) -> Project:
        row = _find(session, name_or_id)
        authorize(session, actor, row.id if row else None, Role.viewer)
        if row is None:
            raise NotFound(_missing(session, str(name_or_id)))
        return load(session, row)

    return database.read(work)


def list_projects(database: Database, actor: Actor) -> list[Project]:
    """Return the projects the actor may see, by name."""

    def work(session: Session) -> list[Project]:
        rows = session.scalars(select(ProjectRow).where(ProjectRow.deleted_at.is_(None)).order_by(ProjectRow.name))
        return [load(session, row) for row in rows.all() if _visible(session, actor, row.id)]

    return database.read(work)


def update_project(
    database: Database, actor: Actor, project_id: int, *, people_expected: int = 0, **changes: object
) -> Project:
    """Change settings of a project; the image size and the channels stay, classes have functions of their own.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        people_expected: how many people will answer, if more than are known: a name is known once somebody picked it
            on the page (local mode) or has an account. An overlap above both is refused, as when a project is created.
        changes: settings by name.

    Raises:
        PermissionDenied: below administrator in it.
        InvalidInput: for an unknown setting, a value out of range, or an overlap that the people cannot meet.
        Conflict: if the new name is taken.
    """
    for field in changes:
        if field not in _CHECKS or field in _FIXED:
            known = ", ".join(sorted(set(_CHECKS) - set(_FIXED)))
            raise InvalidInput(
                f"expected a setting that can change ({known}), got {field!r}; create a new project for it"
            )
    values = {field: _CHECKS[field](value) for field, value in changes.items()}

    def work(session: Session) -> Project:
        row = _locked(session, actor, project_id)
        if values.get("name", row.name) != row.name:
            _require_free(session, str(values["name"]))
        raised = {field: value for field, value in values.items() if value != getattr(row, field)}
        for field, value in values.items():
            setattr(row, field, value)
        check_order(row.overlap, row.max_overlap)
        check_people(session, project_id, people_expected, raised)
        session.flush()
        return load(session, row)

    return database.write(work, idempotent=True)


def set_paused(database: Database, actor: Actor, project_id: int, paused: bool) -> Project:
    """Pause a project (no new claims, no new rounds; answers under way still count) or let it go on.

    Raises:
        PermissionDenied: below administrator in it.
    """

    def work(session: Session) -> Project:
        row = _locked(session, actor, project_id)
        row.state = "paused" if paused else "active"
        session.flush()
        return load(session, row)

    return database.write(work, idempotent=True)


def delete_project(database: Database, actor: Actor, project_id: int) -> None:
    """Delete a project: it is seen no more and its name is free; labels, events and files stay.

    Raises:
        PermissionDenied: below administrator in it.
        NotFound: if there is none, or it is deleted already.
    """

    def work(session: Session) -> None:
        row = _locked(session, actor, project_id)
        at = row.deleted_at = now(session)
        mine = select(QueryRow.id).where(QueryRow.project_id == project_id)
        leased = ClaimRow.state == "leased"
        session.execute(update(ClaimRow).where(ClaimRow.query_id.in_(mine), leased).values(state="released"))
        still_open = (QueryRow.project_id == project_id, QueryRow.state == "open")
        session.execute(update(QueryRow).where(*still_open).values(state="withdrawn", closed_at=at))

    database.write(work)


def load(session: Session, row: ProjectRow) -> Project:
    """Make the record of a project's row."""
    statement = select(ClassRow).where(ClassRow.project_id == row.id).order_by(ClassRow.position)
    every = session.scalars(statement.execution_options(populate_existing=True)).all()
    fields = {field: getattr(row, field) for field in (*_CHECKS, "id", "state", "channels", "created_at")}
    if row.reserve_size is None:
        fields["reserve_size"] = 2 * row.batch_size
    classes = tuple(
        ClassRecord(id=item.id, name=item.name, position=item.position, key=item.key)
        for item in every
        if item.retired_at is None
    )
    into = {item.id: item.merged_into_id for item in every if item.retired_at is not None}
    retired = tuple(
        RetiredClass(id=item.id, name=item.name, position=item.position, live_id=_end_of(into, item.id))
        for item in every
        if item.id in into
    )
    return Project(**fields, classes=classes, retired=retired)


def _end_of(into: Mapping[int, int | None], class_id: int | None) -> int | None:
    """Follow merges to the class in use; a class is merged into one in use, so there are no circles."""
    while class_id is not None and class_id in into:
        class_id = into[class_id]
    return class_id


def _locked(session: Session, actor: Actor, project_id: int) -> ProjectRow:
    authorize(session, actor, project_id, Role.administrator)
    statement = select(ProjectRow).where(ProjectRow.id == project_id, ProjectRow.deleted_at.is_(None))
    row = session.scalars(
        statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound(f"expected a project, got the id {project_id} of none; see the list of projects")
    return row


def _find(session: Session, name_or_id: str | int) -> ProjectRow | None:
    live = select(ProjectRow).where(ProjectRow.deleted_at.is_(None))
    if isinstance(name_or_id, str):
        row = session.scalars(live.where(ProjectRow.name == inputs.name(name_or_id, "a project's name"))).one_or_none()
        if row is not None or not name_or_id.isdecimal():
            return row
    number = int(name_or_id)
    return session.scalars(live.where(ProjectRow.id == number)).one_or_none() if abs(number) < 2**63 else None


def _missing(session: Session, wanted: str) -> str:
    names = list(
        session.scalars(select(ProjectRow.name).where(ProjectRow.deleted_at.is_(None)).order_by(ProjectRow.name))
    )
    if not names:
        return f"expected a project, got {wanted!r}, but there is none yet; create one with `borderline project create`"
    close = difflib.get_close_matches(wanted, names, n=1)
    advice = f"did you mean {close[0]!r}?" if close else "choose one of those."
    return f"expected one of the projects {', '.join(map(repr, names[:20]))}, got {wanted!r}; {advice}"


def _require_free(session: Session, name: str) -> None:
    taken = session.scalars(
        select(ProjectRow.id).where(ProjectRow.name == name, ProjectRow.deleted_at.is_(None))
    ).first()
    if taken is not None:
        raise Conflict(
            f"expected a name of its own, got {name!r}, which is a project already; choose another or delete that"
        )


def _visible(session: Session, actor: Actor, project_id: int) -> bool:
    try:
        authorize(session, actor, project_id, Role.viewer)
    except PermissionDenied:
        return False
    return True


def _class_names(given: object) -> list[str]:
    if not isinstance(given, tuple | list) or not 2 <= len(given) <= MOST_CLASSES:
        raise InvalidInput(f"expected 2 to {MOST_CLASSES} classes, got {given!r:.80}; name what an image can be")
    names = [inputs.name(entry, "a class's name") for entry in given]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InvalidInput(
            f"expected classes with names of their own, got {sorted(repeated)} more than once; remove repeats"
        )
    return names


def class_keys(count: int) -> list[str]:
    """Return keys for classes by position: 1 to 9, letters, then '#33' and on, which no keyboard has."""
    free = [key for key in _KEYS if key not in _RESERVED]
    return free[:count] + [f"#{number}" for number in range(len(free) + 1, count + 1)]
