"""Where features come from: the classifier, a network learned without labels, or a pretrained backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.data.pool import ImagePool
from pipeline.data.transforms import to_float
from pipeline.errors import ModelError, StrategyError
from pipeline.features.learned import NETWORKS, learn
from pipeline.features.store import FeatureStore
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.models.state import borrowed, device_and_type
from pipeline.strategies.base import QueryContext
from pipeline.training.inference import inference_batch

SOURCES = ("auto", "model", *NETWORKS, "pretrained")


def require_features(model: nn.Module | None) -> Classifier:
    """Return the model, which has features and a head.

    Raises:
        StrategyError: It has not.
    """
    if not isinstance(model, Classifier):
        raise StrategyError(
            f"expected a model with features and head, got {type(model).__name__}; build it with build_model, your own "
            "by its import path"
        )
    return model


def source_of(context: QueryContext, wanted: str) -> str:
    """Return 'model', 'autoencoder', 'contrastive' or 'pretrained'; 'auto' is the model where there is one.

    Raises:
        StrategyError: The model is wanted and missing.
    """
    if wanted == "auto":
        return "model" if context.model is not None else "autoencoder"
    if wanted == "model" and context.model is None:
        raise StrategyError("expected a model for features='model', got none; choose features='autoencoder' or train")
    return wanted


class Embedder:
    """Gives features (B, D) of images.

    Args:
        context: Its model, pool, device and scratch folder.
        source: One of `SOURCES`, but 'auto'.
        backbone: A torchvision network of `pipeline.catalog.MODELS`, for 'pretrained'.
        weights: 'download', or a local safetensors file, for 'pretrained'.

    Raises:
        StrategyError: The model has no features, or the weights are not to be had.
    """

    def __init__(
        self, context: QueryContext, source: str, backbone: str = "resnet18", weights: str = "download"
    ) -> None:
        self.context, self.source = context, source
        self.network: Callable[[Tensor], Tensor]
        if source == "model":
            self.module: nn.Module = require_features(context.model)
            self.network = require_features(context.model).features
        elif source == "pretrained":
            self.module = _pretrained(context, backbone, weights).to(context.device).eval()
            self.network = require_features(self.module).features
        else:
            self.module = learn(
                source, context.pool, context.device, scratch=context.scratch, on_progress=context.on_progress
            )
            self.network = self.module

    def store(self, pool: ImagePool, *, quiet: bool = False) -> FeatureStore:
        """Return the features of a pool, which is read once; tells its progress unless `quiet`."""
        device, dtype = device_and_type(self.module)
        store = FeatureStore(pool.ids, self.context.scratch)
        size = self.context.batch_size or inference_batch(pool.image_shape, device)
        done = 0
        for ids, images in pool.batches(size):
            with borrowed(self.module), torch.inference_mode():
                store.put(ids, self.network(to_float(images.to(device), dtype)))
            done += len(ids)
            if self.context.on_progress is not None and not quiet:
                self.context.on_progress(done, len(pool), "looking at the pool")
        return store


def _pretrained(context: QueryContext, backbone: str, weights: str) -> Classifier:
    channels, side, _ = context.pool.image_shape
    where: Path | Literal["download"] = "download" if weights == "download" else Path(weights)
    try:
        return build_model(
            backbone, classes=max(2, context.classes), channels=channels, image_size=side, seed=0, weights=where
        )
    except (ModelError, OSError) as error:
        raise StrategyError(f"expected pretrained features of {backbone}, got: {error}") from error
