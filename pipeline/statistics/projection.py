"""Where the queries lie: features of images projected to two dimensions, for a picture, never for a decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DataError

_FEW = 5  # images below which neighborhoods mean nothing
_DIMENSIONS = 50  # kept before t-SNE, as van der Maaten and Hinton advise


def queries_map(
    features: ArrayLike, *, method: Literal["tsne", "pca"] = "tsne", seed: int = 0, perplexity: float = 30.0
) -> NDArray[np.float32]:
    """Return a place in the plane for each image (N, 2).

    t-SNE (van der Maaten and Hinton, JMLR 9, 2008) from a start by principal components, which keeps the coarse order
    (Kobak and Berens, Nature Communications 10, 2019). Near images stay near; distances between groups mean little.

    Args:
        features: Of a sample of the pool together with the queries (N, D), N >= 1; a few thousand at most.
        method: 'tsne', or 'pca' for a linear view in an instant.
        seed: Of what is random in it.
        perplexity: Neighbors that count, lowered for few images.

    Raises:
        DataError: The features are no finite table, or the method is unknown.
    """
    table = np.asarray(features, dtype=np.float32)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise DataError(f"expected finite features (N, D) with N >= 1, got shape {table.shape} or values that are not")
    if method not in ("tsne", "pca"):
        raise DataError(f"expected the method 'tsne' or 'pca', got {method!r}")
    if len(table) == 1:
        return np.zeros((1, 2), dtype=np.float32)
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    kept = min(_DIMENSIONS if method == "tsne" else 2, *table.shape)
    reduced = PCA(n_components=kept, svd_solver="full").fit_transform(table)
    if method == "pca" or len(table) < _FEW or reduced.shape[1] < 2:
        return np.pad(reduced[:, :2], ((0, 0), (0, 2 - min(2, kept)))).astype(np.float32)
    near = min(perplexity, (len(table) - 1) / 3)
    return np.asarray(TSNE(init="pca", perplexity=near, random_state=seed).fit_transform(reduced), dtype=np.float32)


def map_sample(pool: Iterable[int], queried: Iterable[int], *, size: int = 1500, seed: int = 0) -> list[int]:
    """Return the ids to put on a map, rising: everything queried, and others of the pool at random up to `size`.

    >>> map_sample(range(100), [3, 7], size=4, seed=0)
    [3, 7, 64, 84]
    """
    asked = sorted(set(queried))
    others = np.array(sorted(set(pool) - set(asked)), dtype=np.int64)
    wanted = min(len(others), max(0, size - len(asked)))
    drawn = np.random.default_rng(seed).choice(others, wanted, replace=False) if wanted else others[:0]
    return sorted([*asked, *drawn.tolist()])
