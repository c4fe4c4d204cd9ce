from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.strategies.base import QueryContext, Selection, Strategy
from pipeline.strategies.copies import WithCopies
from pipeline.strategies.core_set import CoreSetRobust
from pipeline.strategies.deduplicated import Deduplicated
from pipeline.strategies.dfal import DFAL0
from pipeline.strategies.egl import EGL
from pipeline.strategies.mixed import Mixed
from pipeline.strategies.random_sampling import RandomSampling
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.subsampled import Subsampled
from pipeline.strategies.uncertainty import Margin
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


@dataclass(frozen=True)
class WithASetting(SmallestIds):
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
    ("spec", "made"),
    [
        ("core_set_robust(outliers=0.001)", CoreSetRobust(outliers=0.001)),
        ("margin+deduplicated+copies", WithCopies(base=Deduplicated(base=Margin()))),
        ("egl + subsampled(size=50)", Subsampled(base=EGL(), size=50)),
        ("mixed(margin=0.75, random_sampling=0.25)", Mixed(parts=((Margin(), 0.75), (RandomSampling(), 0.25)))),
        ("mixed(margin=0.5, egl=0.5)+copies", WithCopies(base=Mixed(parts=((Margin(), 0.5), (EGL(), 0.5))))),
        ("dfal(norm='linf')", WithCopies(base=DFAL0(norm="linf"))),
        (f"{HERE}:WithASetting(argument=3)+subsampled", Subsampled(base=WithASetting(argument=3))),
    ],
)
def test_specs_with_settings_and_wrappers(spec: str, made: object) -> None:
    assert get_strategy(spec) == made


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("dfl", "did you mean dfal"),
        ("zzz", "choose one of: dfal, dfal_0, "),
        ("dfal+copies", "it makes them already"),
        ("dfal+deduplicated", r"write \+copies last"),
        ("zzz+copies", "choose one of"),
        ("margin+balanced", "did you mean class_balanced"),
        ("margin+zzz", "choose one of: copies, class_balanced"),
        ("deduplicated", "expected a strategy before deduplicated"),
        ("no.module:x", "to import"),
        (f"{HERE}:Missing", "to import"),
        (f"{HERE}:NeedsAnArgument", "give defaults"),
        (f"{HERE}:NoStrategy", "name, needs_model, makes_copies and select"),
        (":x", "import path"),
        ("", "such as dfal or"),
        ("dfal or margin", "such as dfal or"),
        ("margin(", "such as dfal or"),
        ("__import__('os').system('true')", "such as dfal or"),
        ("bald(draws=__import__('os'))", "a number or a quoted word for draws"),
        ("bald(drawn=5)", "settings that bald has"),
        ("bald(draws=1)", "2 draws or more"),
        ("mixed(margin=0.5)", "add up to 1"),
        ("mixed(margin=2)", r"shares in \(0, 1\]"),
        ("mixed(dfal=0.5, margin=0.5)", r"write mixed\(...\)\+copies"),
        ("mixed()", "expected shares, such as"),
        ("ceal(criterion='luck')", "expected criterion entropy"),
        ("core_set_robust(outliers=2)", "expected outliers in"),
        ("power_bald(power=0)", "a power above 0"),
        ("egl(layers='first')", "'all' or 'last'"),
        ("bim(step=0)", "a step above 0"),
        ("typiclust(neighbors=0)", "1 or more neighbors"),
        ("probcover(purity=0)", "expected purity"),
        ("batch_bald(draws=1)", "2 draws"),
        ("margin+deduplicated(similarity=2)", "expected similarity"),
        ("margin+subsampled(size=0)", "a size of 1 or more"),
        ("margin+class_balanced(shortlist=0)", "a shortlist of 1 or more"),
    ],
)
def test_wrong_specs_get_one_clear_sentence(spec: str, words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        get_strategy(spec)


def test_reading_a_spec_imports_no_torch() -> None:
    code = "import sys, pipeline.strategies.spec as s; s.parse_spec('margin+copies'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
