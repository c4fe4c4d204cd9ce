"""Labels from outside: everything is checked first, then one transaction makes all of them, or none.

Each label has its event beside it: 'import', or 'review' by the acting user where it replaces what people said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import labels
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput
from db.matching import Match, check_match, find_samples
from db.records import Actor, GivenLabels, ImportReport, Problem, Problems, Role
from db.sql import chunks, insert_rows
from db.standing import Standing, classes_by_name, lock, standing_of, unknown_class
from db.tables import AnnotationEventRow, LabelTableRow, QueryRow, SampleRow

__all__ = ["ImportRefused", "Match", "import_labels"]

_SHOWN_PROBLEMS = 20
_SPLITS = ("pool", "holdout")


class ImportRefused(InvalidInput):
    """Rows of an import do not fit the project; nothing was changed. `problems` tells which and why."""

    def __init__(self, total: int, problems: Sequence[Problem]) -> None:
        self.total = total
        self.problems = tuple(problems)
        shown = [_words(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        if len(self.problems) > _SHOWN_PROBLEMS:
            shown.append(f"and {len(self.problems) - _SHOWN_PROBLEMS} more reasons")
        listed = "\n  ".join(shown)
        super().__init__(
            f"expected labels that all fit the project, got {total:,} that do not, so nothing was imported; "
            f"mend these and import again:\n  {listed}"
        )


def _words(problem: Problem) -> str:
    places = ", ".join(f"{place!r}"[1:-1] for place in problem.places)
    more = f" and {problem.count - len(problem.places):,} more" if problem.count > len(problem.places) else ""
    return f"{problem.reason} ({places}{more})"


@dataclass
class _Plan:
    """What an import will do: sample id -> class id."""

    fresh: dict[int, int] = field(default_factory=dict)
    reimported: dict[int, int] = field(default_factory=dict)
    reviewed: dict[int, int] = field(default_factory=dict)
    same: int = 0


def import_labels(
    database: Database,
    actor: Actor,
    project_id: int,
    given: GivenLabels,
    *,
    match: Match = "auto",
    replace: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Import labels that were read from a file; doing it twice changes nothing the second time.

    Args:
        database: the store.
        actor: the acting user, who stands in the history.
        project_id: whose images get labels; validation and test images keep the classes they came with.
        given: the labels, and what the reader refused already.
        match: how images are found; 'auto' takes the first of hash, id and name that a row has.
        replace: let them win over labels that are there and differ.
        dry_run: only tell what would become of them.

    Raises:
        PermissionDenied: below administrator in the project.
        ImportRefused: if any row does not fit; nothing is changed then.
    """
    check_match(match)

    def work(session: Session) -> ImportReport:
        authorize(session, actor, project_id, Role.administrator)
        problems, ignored = Problems(), Counter(given.ignored)
        plan = _make_plan(session, project_id, given, problems, ignored, match, replace=replace, locking=not dry_run)
        refused, total = (*given.problems.listed(), *problems.listed()), given.problems.total + problems.total
        if refused and not dry_run:
            raise ImportRefused(total, refused)
        if not dry_run:
            _carry_out(session, actor, project_id, plan)
        return ImportReport(
            format=given.format,
            imported=len(plan.fresh),
            same=plan.same,
            replaced=len(plan.reimported) + len(plan.reviewed),
            refused=refused,
            ignored={reason: count for reason, count in ignored.items() if count},
            dry_run=dry_run,
        )

    return database.read(work) if dry_run else database.write(work, idempotent=True)


def _make_plan(
    session: Session,
    project_id: int,
    given: GivenLabels,
    problems: Problems,
    ignored: Counter[str],
    match: Match,
    *,
    replace: bool,
    locking: bool,
) -> _Plan:
    classes = classes_by_name(session, project_id)
    found = find_samples(session, project_id, given.labels, match, problems)
    ids = sorted({sample_id for _, sample_id in found})
    if locking:
        lock(session, ids)
    standing = standing_of(session, ids)
    plan = _Plan()
    first: dict[int, str] = {}
    hints: dict[str, str] = {}
    for label, sample_id in found:
        name = label.class_name if label.class_name in classes else label.class_name.strip()
        if name not in classes:
            problems.add(hints.setdefault(name, unknown_class(classes, name, known=len(hints))), label.place)
        elif first.setdefault(sample_id, name) != name:
            problems.add("expected one class an image, got another one in an earlier row", label.place)
        elif sample_id in plan.fresh or sample_id in plan.reimported or sample_id in plan.reviewed:
            ignored["the same image and class again"] += 1
        elif reason := _sort_in(plan, sample_id, classes[name], standing[sample_id], replace=replace):
            problems.add(reason, label.place)
    return plan


def _sort_in(plan: _Plan, sample_id: int, class_id: int, now_is: Standing, *, replace: bool) -> str | None:
    """Say what becomes of one label; returns the reason if it is refused."""
    if now_is.deleted:
        return "expected an image that is there, got one that was deleted"
    if now_is.split not in _SPLITS:
        return (
            f"expected images of the pool or the holdout, got one of the {now_is.split} split, whose classes are fixed"
        )
    if now_is.class_id == class_id:
        plan.same += 1
    elif now_is.by_people:
        if not replace:
            return "expected an image that people did not decide otherwise, got one they did; replace lets the file win"
        plan.reviewed[sample_id] = class_id
    elif now_is.class_id is None:
        plan.fresh[sample_id] = class_id
    elif not replace:
        return "expected an image without another imported label, got one that has it; replace lets the file win"
    else:
        plan.reimported[sample_id] = class_id
    return None


def _carry_out(session: Session, actor: Actor, project_id: int, plan: _Plan) -> None:
    made = sum(label_samples(session, actor, project_id, dict(part)) for part in chunks(sorted(plan.fresh.items())))
    if made != len(plan.fresh):
        raise Conflict("expected images without a label, got an answer in the meantime; import again")
    for kind, changed in (("import", plan.reimported), ("review", plan.reviewed)):
        for part in chunks(sorted(changed.items())):
            _tell(session, actor, project_id, kind, dict(part))
            withdraw_questions(session, list(dict(part)), now(session))
            for sample_id, _ in part:
                labels.resolve(session, project_id, sample_id)


def label_samples(session: Session, actor: Actor, project_id: int, marked: Mapping[int, int]) -> int:
    """Label pool and holdout samples that have no label; an event stands beside each one. Returns how many.

    Args:
        session: of the transaction.
        actor: who stands in the history.
        project_id: of all the samples.
        marked: sample id -> class id, a thousand at most.
    """
    if not marked:
        return 0
    has_label = select(LabelTableRow.id).where(LabelTableRow.sample_id == SampleRow.id).exists()
    eligible = select(SampleRow.id).where(
        SampleRow.id.in_(marked), SampleRow.split.in_(_SPLITS), SampleRow.deleted_at.is_(None), ~has_label
    )
    ids = list(session.scalars(eligible.order_by(SampleRow.id).with_for_update(key_share=True)))
    at = now(session)
    made = {"project_id": project_id, "origin": "imported", "votes": 0, "updated_at": at}
    if ids:
        rows = [{"sample_id": sample_id, "class_id": marked[sample_id], **made} for sample_id in ids]
        insert_rows(session, LabelTableRow, rows)
        _tell(session, actor, project_id, "import", {sample_id: marked[sample_id] for sample_id in ids})
        withdraw_questions(session, ids, at)
    return len(ids)


def _tell(session: Session, actor: Actor, project_id: int, kind: str, changed: Mapping[int, int]) -> None:
    told = {
        "project_id": project_id,
        "user_id": actor.user_id,
        "kind": kind,
        "outcome": "class",
        "counts": True,
        "digest": "",
        "created_at": now(session),
    }
    pairs = ({"sample_id": sample_id, "class_id": class_id} for sample_id, class_id in changed.items())
    insert_rows(session, AnnotationEventRow, [{**told, **pair, "payload": {}, "receipt": {}} for pair in pairs])


def withdraw_questions(session: Session, ids: Sequence[int], at: int) -> None:
    """Take back open questions about samples whose label came from outside."""
    kinds = ("learn", "holdout", "confirm")
    still_open = (QueryRow.sample_id.in_(ids), QueryRow.state == "open", QueryRow.kind.in_(kinds))
    session.execute(update(QueryRow).where(*still_open).values(state="withdrawn", closed_at=at))
