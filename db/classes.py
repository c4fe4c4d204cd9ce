"""Classes of a project: add, rename, give keys, merge, remove.

A class's position is its place in the model's output and is never given to another, so that stored models and their
predictions keep their meaning; a retired class keeps its row. Votes are never rewritten: the row says which class they
count for today, `labels.resolve` and `labels.rebuild` look there, and labels (and what is not history) follow at once.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import inputs, merging
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.jobs import alive_in
from db.projects import MOST_CLASSES, class_keys, load
from db.records import Actor, ClassRecord, ClassUsage, Project, Role
from db.tables import ClassRow, ProjectRow

__all__ = ["add", "merge", "remove", "rename", "set_key", "usage", "usages"]

FEWEST = 2


def add(database: Database, actor: Actor, project_id: int, name: str, key: str = "") -> ClassRecord:
    """Add a class at the next free position; the next round trains a model that knows it.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        name: what it is called; a retired class may have been called the same.
        key: the key that picks it; empty takes the next free one.

    Raises:
        PermissionDenied: below administrator in the project.
        InvalidInput: if the name is none, or the project is full.
        Conflict: if a class in use has that name or key.
    """
    name = inputs.name(name, "a class's name")

    def work(session: Session) -> ClassRecord:
        project = _project(session, actor, project_id)
        if len(project.classes) >= MOST_CLASSES:
            raise InvalidInput(f"expected at most {MOST_CLASSES} classes, got one more; merge or remove some")
        _require_free(project, name)
        row = ClassRow(project_id=project_id, name=name, position=project.outputs, created_at=now(session))
        row.key = _key(project, key) if key else _next_key(project)
        session.add(row)
        session.flush()
        return ClassRecord(id=row.id, name=row.name, position=row.position, key=row.key)

    return database.write(work)


def rename(database: Database, actor: Actor, project_id: int, class_id: int, name: str) -> ClassRecord:
    """Give a class another name; its labels, its position and its key stay.

    Raises:
        PermissionDenied: below administrator in the project.
        InvalidInput: if the name is none.
        NotFound: if the project has no such class in use.
        Conflict: if another class in use has that name.
    """
    name = inputs.name(name, "a class's name")

    def work(session: Session) -> ClassRecord:
        project = _project(session, actor, project_id)
        found = _named(project, class_id)
        if name != found.name:
            _require_free(project, name)
        return _changed(session, found, name=name)

    return database.write(work, idempotent=True)


def set_key(database: Database, actor: Actor, project_id: int, class_id: int, key: str) -> ClassRecord:
    """Give a class the key that picks it on the labeling page; pages keep keys of commands for themselves.

    Raises:
        PermissionDenied: below administrator in the project.
        InvalidInput: if it is not one character.
        NotFound: if the project has no such class in use.
        Conflict: if another class in use has that key.
    """

    def work(session: Session) -> ClassRecord:
        project = _project(session, actor, project_id)
        found = _named(project, class_id)
        return _changed(session, found, key=found.key if key == found.key else _key(project, key))

    return database.write(work, idempotent=True)


def usage(database: Database, actor: Actor, project_id: int, class_id: int) -> ClassUsage:
    """Say what hangs on a class: what to ask a person before it is merged or removed.

    Raises:
        PermissionDenied: below viewer in the project.
        NotFound: if the project has no such class in use.
    """

    def work(session: Session) -> ClassUsage:
        authorize(session, actor, project_id, Role.viewer)
        project = load(session, session.get_one(ProjectRow, project_id))
        return merging.usages(session, project)[_named(project, class_id).id]

    return database.read(work)


def usages(database: Database, actor: Actor, project_id: int) -> dict[int, ClassUsage]:
    """Say what hangs on every class in use, by class id; answers for classes merged into it count with it.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> dict[int, ClassUsage]:
        authorize(session, actor, project_id, Role.viewer)
        return merging.usages(session, load(session, session.get_one(ProjectRow, project_id)))

    return database.read(work)


def merge(database: Database, actor: Actor, project_id: int, from_id: int, into_id: int) -> Project:
    """Merge a class into another, in one transaction: labels, gold and known classes move, votes count for the other.

    Where annotators disagreed between the two they agree now, so that images may gain a label (and, rarely, a majority
    of others becomes a tie and loses one). There is no way back but to label anew.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if one of them is no class in use of the project.
        InvalidInput: for one and the same class, or if fewer than two would stay.
        Conflict: while images are read in, or a model is trained or ranks: see `_require_quiet`.
    """

    def work(session: Session) -> None:
        project = _quiet(session, actor, project_id)
        old, new = _named(project, from_id), _named(project, into_id)
        if old.id == new.id:
            raise InvalidInput(f"expected two different classes, got {old.name!r} twice; choose another")
        _require_enough(project)
        merging.merge(session, project, old, new)

    return _then_load(database, project_id, work)


def remove(
    database: Database,
    actor: Actor,
    project_id: int,
    class_id: int,
    *,
    merge_into: int | None = None,
    ask_again: bool = False,
) -> Project:
    """Remove a class; one that has labels, answers or gold only if it is said what becomes of them.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        class_id: the class.
        merge_into: another class that takes all of them.
        ask_again: its labels go, the answers that gave it are withdrawn (they stay in history), and the images can be
            asked again. Images that came with this class, validation and test ones too, have no known class then.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if it, or the other one, is no class in use of the project.
        InvalidInput: if both ways are given, or fewer than two classes would stay.
        Conflict: if it is used and neither way is given, or while work is under way as for `merge`.
    """
    if merge_into is not None and ask_again:
        raise InvalidInput("expected one way for the labels, got two; either merge them into a class or ask again")
    if merge_into is not None:
        return merge(database, actor, project_id, class_id, merge_into)

    def work(session: Session) -> None:
        project = _quiet(session, actor, project_id)
        old = _named(project, class_id)
        _require_enough(project)
        used = merging.usages(session, project)[old.id]
        if used.used and not ask_again:
            raise Conflict(
                f"expected to be told what becomes of {old.name!r} with {_counts(used)}; merge it into another class, "
                "or have these images asked again"
            )
        merging.drop(session, project, old, actor.user_id)

    return _then_load(database, project_id, work)


def _then_load(database: Database, project_id: int, work: Callable[[Session], None]) -> Project:
    def both(session: Session) -> Project:
        work(session)
        session.flush()
        return load(session, session.get_one(ProjectRow, project_id))

    return database.write(both)


def _project(session: Session, actor: Actor, project_id: int) -> Project:
    """Lock the project: two changes of its classes go one after the other."""
    authorize(session, actor, project_id, Role.administrator)
    locked = select(ProjectRow).where(ProjectRow.id == project_id).with_for_update(key_share=True)
    return load(session, session.scalars(locked.execution_options(populate_existing=True)).one())


def _quiet(session: Session, actor: Actor, project_id: int) -> Project:
    """Lock the project and refuse while a job of it lives.

    A round reads positions, trains for seconds or hours, and then writes queries by position; an ingest looks classes
    up once and labels by id for as long as it reads. A class that changed its meaning in between would put answers
    that nobody gave into both. `jobs.begin` waits for the lock taken here, so no job can begin meanwhile either.
    """
    project = _project(session, actor, project_id)
    job = alive_in(session, project_id)
    if job is not None:
        raise Conflict(
            f"expected no work on this project while classes are merged or removed, got a running {job}; "
            "wait for its end or cancel it, then try again"
        )
    return project


def _named(project: Project, class_id: int) -> ClassRecord:
    for entry in project.classes:
        if entry.id == class_id:
            return entry
    raise NotFound(f"expected a class in use of this project, got the id {class_id}; reload the page")


def _require_enough(project: Project) -> None:
    if len(project.classes) <= FEWEST:
        raise InvalidInput(f"expected at least {FEWEST} classes to stay, got one fewer; add another class first")


def _require_free(project: Project, name: str) -> None:
    if name in project.class_names:
        raise Conflict(f"expected a name of its own, got {name!r}, which is a class already; choose another")


def _key(project: Project, key: str) -> str:
    if not isinstance(key, str) or len(key) != 1 or not key.isprintable() or key.isspace():
        raise InvalidInput(f"expected one character as a key, got {key!r:.40}; choose a digit or a letter")
    for entry in project.classes:
        if entry.key == key.lower():
            raise Conflict(f"expected a key of its own, got {key!r}, which picks {entry.name!r}; choose another")
    return key.lower()


def _next_key(project: Project) -> str:
    taken = {entry.key for entry in project.classes}
    return next(key for key in class_keys(len(taken) + 1) if key not in taken)


def _changed(session: Session, found: ClassRecord, **values: str) -> ClassRecord:
    row = session.get_one(ClassRow, found.id)
    for field, value in values.items():
        setattr(row, field, value)
    session.flush()
    return ClassRecord(id=row.id, name=row.name, position=row.position, key=row.key)


def _counts(used: ClassUsage) -> str:
    parts = (
        (used.labels, "label", "labels"),
        (used.answers, "answer", "answers"),
        (used.gold, "gold question", "gold questions"),
        (used.known, "image that came with it", "images that came with it"),
    )
    return ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in parts if count)
