from __future__ import annotations

import numpy as np
import torch

from pipeline.data.pool import ImagePool
from pipeline.strategies.base import QueryContext
from pipeline.strategies.copies import WithCopies
from pipeline.strategies.dfal import DFAL0
from pipeline.strategies.random_sampling import RandomSampling
from tests.pipeline.toys import Linear, stripes, trained


def test_an_image_that_does_not_flip_gets_no_copy() -> None:
    images = stripes(60, seed=9)
    context = QueryContext(
        pool=ImagePool.from_tensor(images.images, images.ids.numpy()), model=trained("lenet5"), classes=4, seed=0
    )
    found = WithCopies(base=RandomSampling(), max_iterations=1).select(context, 60)
    assert found.copies is not None
    assert found.copy_distances is not None
    none = torch.from_numpy(np.isinf(found.copy_distances))
    assert 0 < none.sum() < 60
    assert found.copies[none].isnan().all()
    assert not found.copies[~none].isnan().any()
    assert found.diagnostics["copies"] == int((~none).sum())


def test_a_model_without_gradients_gives_no_copies_at_all() -> None:
    flat = Linear(torch.zeros(3, 4), torch.tensor([0.0, 2.0, 1.0]))
    pool = ImagePool.from_tensor(torch.zeros(9, 1, 2, 2, dtype=torch.uint8))
    found = WithCopies(base=DFAL0()).select(QueryContext(pool=pool, model=flat, classes=3, seed=0), 4)
    assert found.copies is not None
    assert found.copies.isnan().all()
    assert found.nearest.tolist() == [-1] * 4
    assert found.diagnostics["copies"] == 0
