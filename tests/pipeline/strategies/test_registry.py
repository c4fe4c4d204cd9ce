from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.strategies.base import QueryContext, Selection, Strategy
from pipeline.strategies.registry import get_strategy
from tests.pipeline.toys import stripes, trained

HERE = "tests.pipeline.strategies.test_registry"


@dataclass(frozen=True, kw_only=True)
class SmallestIds:
    name: ClassVar[str] = "smallest_ids"
    needs_model: ClassVar[bool] = False
    makes_copies: ClassVar[bool] = False

    def select(self, context: QueryContext, k: int) -> Selection:
        ids = np.sort(context.pool.ids)[:k]
        return Selection(ids=ids, scores=ids.astype(float), predicted=ids * 0 - 1, nearest=ids * 0 - 1)


@dataclass(frozen=True)
class NeedsAnArgument:
    argument: int


class NoStrategy:
    pass


def test_a_strategy_of_ones_own_by_import_path_with_and_without_copies() -> None:
    images = stripes(20)
    pool = ImagePool.from_tensor(images.images, images.ids.numpy())
    context = QueryContext(pool=pool, model=trained("lenet5"), classes=4, seed=0)
    plain, copied = (get_strategy(f"{HERE}:SmallestIds{end}") for end in ("", "+copies"))
    assert isinstance(plain, Strategy)
    assert copied.name == "smallest_ids+copies"
    assert plain.select(context, 3).ids.tolist() == copied.select(context, 3).ids.tolist() == [5, 8, 11]
    assert copied.select(context, 3).copies is not None


@pytest.mark.parametrize(
    "spec", ["dfal", "dfal_0", "margin", "random_sampling", "margin+copies", f"{HERE}:SmallestIds"]
)
def test_the_repr_is_a_record(spec: str) -> None:
    assert repr(get_strategy(spec)) == repr(get_strategy(spec))
    assert "(" in repr(get_strategy(spec))
    assert get_strategy(spec) == get_strategy(spec)


def test_dfal_is_dfal_0_with_copies() -> None:
    assert get_strategy("dfal") == get_strategy("dfal_0+copies")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("dfl", "did you mean dfal"),
        ("zzz", "choose one of: dfal, dfal_0, margin, random_sampling"),
        ("dfal+copies", "it makes them already"),
        ("zzz+copies", "choose one of"),
        ("no.module:x", "to import"),
        (f"{HERE}:Missing", "to import"),
        (f"{HERE}:NeedsAnArgument", "without arguments"),
        (f"{HERE}:NoStrategy", "name, needs_model, makes_copies and select"),
        (":x", "import path"),
    ],
)
def test_wrong_specs_get_one_clear_sentence(spec: str, words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        get_strategy(spec)
