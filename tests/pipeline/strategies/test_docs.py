"""docs/strategies.md names what exists, and its example of one's own strategy runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from pipeline.catalog import STRATEGIES, WRAPPERS
from pipeline.data.pool import ImagePool
from pipeline.strategies.base import QueryContext
from pipeline.strategies.registry import get_strategy
from tests.pipeline.toys import stripes, trained

PAGE = (Path(__file__).parents[3] / "docs" / "strategies.md").read_text()


def test_every_strategy_and_wrapper_is_on_the_page() -> None:
    assert all(f"`{name}`" in PAGE for name in STRATEGIES)
    assert all(name in PAGE for name in WRAPPERS)


def test_the_specs_on_the_page_can_be_made() -> None:
    block = re.search(r"```\n(dfal .*?)```", PAGE, re.DOTALL)
    assert block is not None
    specs = [re.split(r"\s{2,}", line)[0] for line in block.group(1).strip().splitlines()]
    assert len(specs) == 6
    for spec in specs[:-1]:  # the last is the reader's own
        assert get_strategy(spec).name


def test_the_example_of_ones_own_runs(tmp_path: Path) -> None:
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    example = tmp_path / "example.py"
    example.write_text(block.group(1))
    space = runpy.run_path(str(example))
    images = stripes(30)
    context = QueryContext(pool=ImagePool.from_tensor(images.images), model=trained("lenet5"), classes=4, seed=0)
    made = space["SmallestLogit"]()
    assert len(made.select(context, 5).ids) == 5
    assert get_strategy("mixed(margin=0.5, entropy=0.5)").select(context, 4).diagnostics == {
        "asked_margin": 2, "asked_entropy": 2
    }  # fmt: skip
