from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.attacks import chunks
from pipeline.attacks.chunks import Chunks, attack_batch, fitting_batch, graph_bytes
from pipeline.attacks.deepfool import deepfool
from pipeline.attacks.search import nearest_to_border
from pipeline.data.pool import ImagePool
from pipeline.models.registry import build_model
from tests.pipeline.toys import CPU, Linear, linear


class Greedy(nn.Module):
    """A linear model on a machine whose memory holds three images."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = linear(3, 4)
        self.refused = 0

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 3:
            self.refused += 1
            raise torch.OutOfMemoryError("no room")
        return self.inner(images)


def test_chunks_are_halved_once_and_stay_small() -> None:
    some, sizes = Chunks(16), []

    def work(part: slice) -> list[int]:
        rows = list(range(20))[part]
        sizes.append(len(rows))
        if len(rows) > 4:
            raise torch.OutOfMemoryError("no room")
        return rows

    assert [row for rows in some.run(work, 20) for row in rows] == list(range(20))
    assert sizes == [16, 8, 4, 4, 4, 4, 4]
    assert some.size == 4
    assert some.run(lambda part: part, 0) == [slice(0, 4)]


def test_one_image_that_is_too_large_is_an_error() -> None:
    def work(part: slice) -> None:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        Chunks(8).run(work, 8)


def test_a_search_goes_on_in_memory_that_is_too_small() -> None:
    images = torch.randint(0, 255, (300, 1, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pool, model = ImagePool.from_tensor(images), Greedy()
    found = nearest_to_border(model, pool, 5, exhaustive=True)
    whole = nearest_to_border(model.inner, pool, 5, exhaustive=True)
    assert found.ids.tolist() == whole.ids.tolist()
    assert model.refused < 40  # it does not run into the limit again for each block
    assert nearest_to_border(Greedy(), pool, 5).ids.tolist() == whole.ids.tolist()


class Wide(nn.Module):
    """Keeps large maps of a small image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.maps, self.end = nn.Conv2d(1, channels, 1), nn.Linear(channels, 2)

    def forward(self, images: Tensor) -> Tensor:
        return torch.as_tensor(self.end(self.maps(images).exp().mean((2, 3))))


def test_a_graph_is_weighed_without_its_parameters() -> None:
    image = torch.rand(1, 1, 8, 8)
    maps = 100 * 8 * 8 * 4  # of exp, the only large thing that a backward pass to the pixels and weights reads
    assert maps <= graph_bytes(Wide(100), image) < 1.2 * maps
    assert graph_bytes(Wide(100), image.expand(3, 1, 8, 8)) > 2.9 * maps
    model = Linear(torch.ones(2, 64), torch.zeros(2))
    assert graph_bytes(model, image) <= 64 * 4


def test_heavy_models_get_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    lenet5 = build_model("lenet5", classes=10, channels=1, image_size=28, seed=0)
    assert fitting_batch(lenet5, torch.rand(1, 1, 28, 28)) == 128
    assert attack_batch((3, 224, 224), CPU) == 4
    monkeypatch.setattr(chunks, "_CPU_BYTES", 1 << 20)
    image = torch.rand(1, 1, 8, 8)
    assert fitting_batch(Wide(1_000), image) == 4  # of 256 KB each
    assert fitting_batch(Wide(10_000), image) == 1  # larger than the limit


def test_deepfool_weighs_the_model_and_not_only_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_CPU_BYTES", 1 << 20)
    sizes: list[int] = []
    model = Wide(1_000)
    with model.register_forward_hook(lambda _m, inputs, _o: sizes.append(len(inputs[0]))):
        deepfool(model, torch.rand(30, 1, 8, 8), max_iterations=1)
    assert max(sizes) == 4
