"""How far a new model agrees with the one before it on unlabeled images: one of the signs that labels change little.

Bloodgood and Vijay-Shanker, A method for stopping active learning based on stabilizing predictions, CoNLL 2009
(arXiv:1409.5165): no label is needed, so the images can be many; both models see the same ones.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from db import model_versions, samples
from db.records import Project
from flows.outputs import fold
from flows.store import Store
from flows.training_data import open_pool
from pipeline.data.pool import ImagePool
from pipeline.errors import FileDamaged
from pipeline.models.store import load_model
from pipeline.randomness import per_sample_uniform
from pipeline.statistics import cohen_kappa
from pipeline.training.inference import predict_logits

logger = logging.getLogger(__name__)

STOP_SET = 1000


def agreement_with_last(
    store: Store, project: Project, model: nn.Module, device: torch.device
) -> dict[str, Any] | None:
    """Compare a model that was just trained with the newest version, in today's classes.

    The images are those of the pool without a label whose random number, drawn by their id, is lowest: the same ones
    at each training but for those that got a label since.

    Returns:
        ``{with, kappa, same, images}``: the number of the other version, Cohen's kappa, the share of equal answers and
        on how many images; None for the first model, without unlabeled images, and where the other's file is damaged.
    """
    versions = model_versions.list_versions(store.database, store.actor, project.id)
    index = samples.pool_index(store.database, project.id, labeled=False, set_aside=True)
    if not versions or not len(index.ids):
        return None
    try:
        last, _ = load_model(store.path(versions[0].path), versions[0].sha256)
    except FileDamaged as error:  # only advice: the log says why it is missing, and training goes on
        logger.warning("how far the models agree is not known: %s", error)
        return None
    pool = open_pool(store, index).subset(stop_set(index.ids, project.seed))
    now, before = (_classes(project, network, pool, device) for network in (model, last.to(device)))
    same, kappa = float((now == before).mean()), cohen_kappa(now, before)
    return {"with": versions[0].number, "kappa": kappa, "same": same, "images": len(now)}


def stop_set(ids: NDArray[np.int64], seed: int, size: int = STOP_SET) -> NDArray[np.int64]:
    """Return the ids of the images that models are compared on, rising: those with the lowest numbers, by id alone."""
    order = np.argsort(per_sample_uniform(seed, ids, "stop set"), kind="stable")
    return np.sort(ids[order[:size]])


def _classes(project: Project, model: nn.Module, pool: ImagePool, device: torch.device) -> NDArray[np.int64]:
    """Return the place of each image's class among those in use (N,)."""
    _, logits = predict_logits(model, pool, device=device)  # (N, K)
    return np.asarray(fold(project, torch.softmax(logits.double(), dim=1).numpy()).argmax(axis=1))
