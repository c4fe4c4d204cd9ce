"""Asks the gate about each class, and keeps what it says with all its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, cast

from db import synthetic
from db.records import GateDecision, GeneratorVersion, NewGateDecision
from flows.augment_images import read_candidates
from flows.augment_work import Work
from flows.learning import device_of, recipe_of, starting_weights
from pipeline.augmentation.gate.words import set_aside_note
from pipeline.augmentation.quality import Gate, TrainPlan
from pipeline.augmentation.records import Check, Decision, PairedTest, Verdict
from pipeline.randomness import derive_seed


def not_worth_making(work: Work, targets: Iterable[int]) -> dict[int, Decision]:
    """Return, for the classes that the gate would refuse whatever is made, its refusal: nothing is made for them."""
    gate = _gate(work)
    found = {target: gate.worth_making(target) for target in targets}
    return {target: _noted(work, decision) for target, decision in found.items() if decision is not None}


def failed(work: Work, target: int, why: str) -> Decision:
    """Return the refusal of a class for which a maker could not make anything."""
    return Decision(
        target=target, verdict="refused", weight=0.0, reason=why, real=work.material.counts[target], made=0, checks=(),
        test=None,
    )  # fmt: skip


def decide(work: Work, version: GeneratorVersion, target: int) -> None:
    """Judge a class's images, unless they were refused before they were made, and record what is said, once."""
    work = work.split_as(version.metrics["held_out"])
    known = version.metrics["refused"].get(str(target))
    if known is not None:
        decision = decision_of(target, known)
    else:
        made = read_candidates(work.store, version, target)
        decision = _noted(work, _gate(work).judge(target, made))
    new = NewGateDecision(
        position=target,
        verdict=decision.verdict,
        weight=decision.weight,
        reason=decision.reason,
        real=decision.real,
        made=decision.made,
        checks=[asdict(check) for check in decision.checks],
        test=None if decision.test is None else asdict(decision.test),
    )
    store = work.store
    synthetic.record_decision(store.database, store.actor, work.project.id, version.id, new)


def said_of(work: Work, version: GeneratorVersion) -> dict[int, Decision]:
    """Return the gate's decisions on a version, by the position of the class."""
    positions = {entry.id: entry.position for entry in work.project.classes}
    store = work.store
    found = synthetic.groups(store.database, store.actor, work.project.id)
    return {
        positions[group.class_id]: decision_of(positions[group.class_id], _as_mapping(group.decision))
        for group in found
        if group.version.id == version.id and group.decision is not None and group.class_id in positions
    }


def decision_of(target: int, kept: Mapping[str, Any]) -> Decision:
    """Make a decision of what was kept of it."""
    return Decision(
        target=target,
        verdict=cast("Verdict", kept["verdict"]),
        weight=kept["weight"],
        reason=kept["reason"],
        real=kept["real"],
        made=kept["made"],
        checks=tuple(Check(**check) for check in kept["checks"]),
        test=None if kept["test"] is None else PairedTest(**kept["test"]),
        set_aside=kept.get("set_aside", 0),
    )


def _gate(work: Work) -> Gate:
    """Return the gate for these labels; classes share it, and with it the trainings on real images alone."""
    project, material = work.project, work.material
    split = tuple(material.held_out.ids.tolist())
    if split not in work.gates:
        work.gates[split] = Gate(
            labeled=material.labeled,
            held_out=material.held_out,
            classes=material.outputs,
            train=TrainPlan(model=project.model, recipe=recipe_of(project), weights=starting_weights(project)),
            seed=derive_seed(project.seed, "gate"),
            device=device_of(work.store),
            on_progress=work.reporter.progress,
        )
    return work.gates[split]


def _noted(work: Work, decision: Decision) -> Decision:
    """Say that labels were set aside, where there is no validation split."""
    if not work.material.aside:
        return decision
    own = int((work.material.held_out.targets == decision.target).sum())
    reason = decision.reason + set_aside_note(own)
    return replace(decision, reason=reason, set_aside=len(work.material.held_out))


def _as_mapping(decision: GateDecision) -> dict[str, Any]:
    return {name: getattr(decision, name) for name in ("verdict", "weight", "reason", "real", "made", "checks", "test")}
