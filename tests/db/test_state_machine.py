"""Random histories of claims, answers, repeats, edits, undos, imports and expiry, against what must always hold."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from db import annotations, labels, rounds, samples
from db.engine import Database
from db.records import Answer, ClaimedQuery, Receipt, Round
from db.tables import AnnotationRow, ClaimRow, LabelTableRow, QueryRow, SampleRow
from tests.db.scenes import CLASSES, make_scene, new_samples

PEOPLE = ("ada", "bob", "eve")
CHOICES = (*CLASSES, *CLASSES, "skip", "unsure", "flag")
_names = itertools.count()


class Histories(RuleBasedStateMachine):
    """Every example is a project of its own in one database."""

    database: Database

    @initialize(overlap=st.sampled_from([1, 2, 3]))
    def start(self, overlap: int) -> None:
        self.name = f"project {next(_names)}"
        self.scene = make_scene(self.database, images=8, name=self.name, overlap=overlap)
        self.actors = [self.scene.person(name) for name in PEOPLE]
        self.held: dict[tuple[int, int], ClaimedQuery] = {}  # person, query -> what their page shows
        self.sent: list[tuple[int, Answer, Receipt]] = []
        self.ask()

    def ask(self) -> None:
        if len(self.scene.pool()) >= 2:
            self.scene.ask(2, reserve=2)

    @rule(person=st.integers(0, 2), count=st.integers(1, 3))
    def claim(self, person: int, count: int) -> None:
        for query in self.scene.claim(self.actors[person], count):
            before = self.held.get((person, query.query_id))
            assert before is None or before.token <= query.token
            self.held[person, query.query_id] = query

    @precondition(lambda self: self.held)
    @rule(pick=st.integers(0, 99), choice=st.sampled_from(CHOICES), edit=st.booleans())
    def submit(self, pick: int, choice: str, edit: bool) -> None:
        (person, _), query = sorted(self.held.items(), key=lambda item: item[0])[pick % len(self.held)]
        standing = [entry for entry in self._standing(person) if entry.query_id == query.query_id]
        earlier = standing[0].answer_id if edit and standing else None
        answer = self.scene.answer(query, choice, supersedes=earlier)
        receipt = annotations.submit(self.database, self.actors[person], self.scene.id, answer)
        self.sent.append((person, answer, receipt))

    @precondition(lambda self: self.sent)
    @rule(pick=st.integers(0, 99))
    def repeat(self, pick: int) -> None:
        person, answer, receipt = self.sent[pick % len(self.sent)]
        events = self.scene.events()
        again = annotations.submit(self.database, self.actors[person], self.scene.id, answer)
        assert again.repeated
        assert (again.status, again.query_closed) == (receipt.status, receipt.query_closed)
        assert self.scene.events() == events

    @rule(person=st.integers(0, 2), pick=st.integers(0, 99))
    def undo(self, person: int, pick: int) -> None:
        standing = self._standing(person)
        if standing:
            chosen = standing[pick % len(standing)]
            receipt = annotations.undo(
                self.database, self.actors[person], self.scene.id, str(uuid.uuid4()), chosen.answer_id
            )
            if receipt.claimed is not None:
                self.held[person, receipt.claimed.query_id] = receipt.claimed

    @rule()
    def everybody_is_away_for_long(self) -> None:
        self.scene.age_claims()

    @rule()
    def next_round(self) -> None:
        turn = rounds.begin_round(self.database, self.scene.system, self.scene.id)
        if isinstance(turn, Round) and turn.state == "preparing":
            self.ask()

    @rule(pick=st.integers(0, 7), choice=st.sampled_from(CLASSES))
    def import_a_label(self, pick: int, choice: str) -> None:
        known = [(new_samples(self.name, 8)[pick].sha256, choice)]
        samples.label_known(self.database, self.scene.ada, self.scene.id, known)

    def _standing(self, person: int) -> list[Any]:
        return annotations.recent(self.database, self.actors[person], self.scene.id, 100)

    def _rows(self, *columns: Any, project: Any) -> list[tuple[Any, ...]]:
        statement = select(*columns).where(project == self.scene.id)
        return self.database.read(lambda session: [tuple(row) for row in session.execute(statement)])

    @invariant()
    def nothing_is_over_assigned(self) -> None:
        statement = (
            select(QueryRow.id, QueryRow.slots, ClaimRow.user_id, ClaimRow.slot)
            .join(ClaimRow, ClaimRow.query_id == QueryRow.id)
            .where(QueryRow.project_id == self.scene.id, ClaimRow.state.in_(("leased", "done")))
        )
        rows = self.database.read(lambda session: session.execute(statement).tuples().all())
        for query, slots, _, slot in rows:
            assert 0 <= slot < slots
            assert Counter(row[0] for row in rows)[query] <= slots
        assert len({row[::2] for row in rows}) == len(rows) == len({(row[0], row[3]) for row in rows})

    @invariant()
    def labels_follow_from_votes_and_from_events(self) -> None:
        stored = dict(self._rows(LabelTableRow.sample_id, LabelTableRow.class_id, project=LabelTableRow.project_id))
        ids = {item for (item,) in self._rows(SampleRow.id, project=SampleRow.project_id)}
        rebuilt = {item: choice for item, choice in labels.rebuild(self.database).items() if item in ids}
        assert rebuilt == stored
        closed = set(self._rows(QueryRow.sample_id, QueryRow.state, project=QueryRow.project_id))
        votes: dict[int, Counter[int]] = {}
        columns = (AnnotationRow.sample_id, AnnotationRow.class_id, AnnotationRow.withdrawn_at)
        for sample, choice, withdrawn in self._rows(*columns, project=AnnotationRow.project_id):
            if withdrawn is None and choice is not None:
                votes.setdefault(sample, Counter())[choice] += 1
        for sample, tally in votes.items():
            best = [choice for choice, count in tally.items() if count == max(tally.values())]
            if (sample, "closed") in closed and (sample, "open") not in closed and len(best) == 1:
                assert stored[sample] == best[0]

    def teardown(self) -> None:
        """Liveness: when everybody comes back nothing stays stuck in the hands of those who left."""
        if not hasattr(self, "scene"):
            return
        self.scene.age_claims()
        for _ in range(8):
            for actor in self.actors:
                for query in self.scene.claim(actor, 100):
                    assert self.scene.submit(actor, query).status == "saved"
        states = self._rows(QueryRow.id, QueryRow.state, QueryRow.sample_id, project=QueryRow.project_id)
        answered = {
            (query, user)
            for query, user in self._rows(
                AnnotationRow.sample_id, AnnotationRow.user_id, project=AnnotationRow.project_id
            )
        }
        for _, state, sample in states:
            assert state != "open" or all((sample, actor.user_id) in answered for actor in self.actors)


def test_histories(database: Database) -> None:
    examples = 25 if database.dialect == "sqlite" else 8
    limits = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(type("Here", (Histories,), {"database": database}), settings=limits)
