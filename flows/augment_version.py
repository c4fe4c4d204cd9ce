"""A new generator version: a maker that is trained, or the last one again, with what it makes; one row, one attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor

from db import synthetic
from db.records import GeneratorVersion, NewCandidates, NewFile, NewGeneratorVersion
from flows.augment_gate import failed
from flows.augment_images import FOLDER, RealImages, make_candidates, show, slug
from flows.augment_makers import Training, load_maker, recipe_for, train_maker
from flows.augment_material import Unlabeled, read_unlabeled
from flows.augment_plan import Filling
from flows.augment_work import Work
from flows.files import new_file
from flows.learning import device_of
from pipeline.augmentation.records import Decision, ImageMaker
from pipeline.data.sheets import contact_sheet, encode_sheet
from pipeline.errors import ModelError
from pipeline.randomness import derive_seed


def new_version(
    work: Work,
    key: str,
    fillings: Sequence[Filling],
    refused: Mapping[int, Decision],
    again: GeneratorVersion | None,
) -> GeneratorVersion:
    """Record a maker and what it makes.

    Args:
        work: What it is about.
        key: Names the attempt.
        fillings: Classes that it serves.
        refused: Those among them for which nothing is made, with the gate's refusals.
        again: A version whose maker is taken instead of training one; it is trained anew where it cannot make more.
    """
    unlabeled = read_unlabeled(work.store, work.project, work.material, work.reporter)
    found = None if again is None else _again(work, key, again)
    maker, new = found or _trained(work, key, fillings, unlabeled)
    wanted = [filling for filling in fillings if filling.target not in refused]
    told, failure = dict(refused), new.metrics["failure"]
    made: list[NewCandidates] = []
    if failure:
        told |= {filling.target: failed(work, filling.target, _alike(failure)) for filling in wanted}
    else:
        made, hopeless = _candidates(work, key, maker, wanted, RealImages.of(work.material, unlabeled))
        told |= hopeless
    metrics = {**new.metrics, **_facts(work, fillings, told, made)}
    recorded = replace(new, metrics=metrics, candidates=made)
    return synthetic.record(work.store.database, work.store.actor, work.project.id, recorded)


def _trained(
    work: Work, key: str, fillings: Sequence[Filling], unlabeled: Unlabeled | None
) -> tuple[ImageMaker, NewGeneratorVersion]:
    """Train a maker, or go on with one whose training was killed, and write it."""
    recipe = recipe_for(work.wish.kind, device_of(work.store), work.wish.steps)
    seed = derive_seed(work.project.seed, "generator", key)
    training = Training(
        recipe=recipe,
        targets=tuple(filling.target for filling in fillings),
        seed=seed,
        checkpoint=work.checkpoint(key),
        told=work.reporter.progress,
        on_sheet=lambda step, images: _show(work, key, step, images),
    )
    trained = train_maker(work.store, work.project, work.material, unlabeled, training)
    path = work.store.settings.project_folder(work.project.id, FOLDER) / f"{slug(key)}.safetensors"
    file = new_file(work.store, trained.save(path, {"project": work.project.name, "key": key}))
    pooled = work.wish.kind == "gan" and unlabeled is not None
    return trained.maker, _row(
        work, key, file, recipe=repr(recipe), seed=seed,
        labels_used=trained.learned_from(work.material),
        pool_count=len(unlabeled.ids) if pooled and unlabeled else 0,
        pool_sha256=unlabeled.sha256 if pooled and unlabeled else None,
        metrics={
            "training": trained.metrics, "failure": trained.failure, "weights_of": None,
            "trained_on": _by_name(work.material.labels),
        },
    )  # fmt: skip


def _again(work: Work, key: str, last: GeneratorVersion) -> tuple[ImageMaker, NewGeneratorVersion] | None:
    """Take the maker of an earlier version: it makes new images, which are judged beside the labels of today."""
    maker = load_maker(work.store, work.wish.kind, last.path, last.sha256, work.material)
    if maker is None or last.metrics["failure"]:
        return None
    file = NewFile(path=last.path, sha256=last.sha256, size=last.size)
    return maker, _row(
        work, key, file, recipe=last.recipe, seed=last.seed, labels_used=last.labels_used, pool_count=last.pool_count,
        pool_sha256=last.pool_sha256,
        metrics={**last.metrics, "weights_of": last.metrics["weights_of"] or last.number},
    )  # fmt: skip


def _row(work: Work, key: str, file: NewFile, **columns: Any) -> NewGeneratorVersion:
    return NewGeneratorVersion(key=key, kind=work.wish.kind, file=file, round_id=work.wish.round_id, **columns)


def _candidates(
    work: Work, key: str, maker: ImageMaker, fillings: Sequence[Filling], real: RealImages
) -> tuple[list[NewCandidates], dict[int, Decision]]:
    """Return what is made, and the refusals of classes of which the maker knows its images by heart."""
    made, hopeless = [], {}
    for filling in fillings:
        try:
            made.append(make_candidates(work.store, work.project, maker, filling, key, real, work.reporter))
        except ModelError as error:
            hopeless[filling.target] = failed(work, filling.target, str(error))
    return made, hopeless


def _facts(
    work: Work, fillings: Sequence[Filling], refused: Mapping[int, Decision], made: Sequence[NewCandidates]
) -> dict[str, Any]:
    """Return what later runs need to know of this one."""
    material = work.material
    return {
        "targets": [filling.target for filling in fillings],
        "labels": _by_name(material.labels),
        "classes": list(material.classes),
        "held_out": material.held_out.ids.tolist() if material.aside else None,
        "arrays": {str(one.rows[0].position): [one.file.path, one.file.sha256] for one in made},
        "refused": {str(target): asdict(decision) for target, decision in refused.items()},
    }


def _by_name(counts: Mapping[int, int]) -> dict[str, int]:
    """Return counts as JSON keeps them."""
    return {str(position): count for position, count in counts.items()}


def _alike(reason: str) -> str:
    return f"The generator's training failed, so none of its images are used: {reason}"


def _show(work: Work, key: str, step: int, images: Tensor) -> None:
    """Show a sheet of a training: images (N, C, S, S), or one picture (C, H, W)."""
    png = contact_sheet(images, columns=16) if images.ndim == 4 else encode_sheet(images, enlarged=2)
    show(work.store, work.project, slug(key), png, work.reporter, f"the generator after {step:,} steps")
