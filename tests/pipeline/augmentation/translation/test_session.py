from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.augmentation.translation import TranslationRecipe, train_translation
from pipeline.augmentation.translation.session import Session
from tests.pipeline.augmentation.translation.pairs import TINY, of_class
from tests.pipeline.toys import CPU


def session(recipe: TranslationRecipe = TINY) -> Session:
    with torch.random.fork_rng():
        return Session(recipe, of_class(0, 9), of_class(3, 5), 1, CPU)


def copied(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def moved(before: list[Tensor], parameters: list[nn.Parameter]) -> bool:
    return any(not torch.equal(old, new) for old, new in zip(before, parameters, strict=True))


def test_teaching_one_side_leaves_the_other_alone() -> None:
    run = session()
    generators, judges = run.networks.generators(), run.networks.judges()
    images = torch.rand(2, 1, 16, 16) * 2 - 1
    before, of_judges = copied(generators), copied(judges)
    made = run.teach_generators(images, -images, torch.Generator())[0]
    assert moved(before, generators)
    assert not moved(of_judges, judges)
    before = copied(generators)
    run.update(run.networks.rare_judge(run.networks.to_rare(made)).sum(), judges)
    assert moved(of_judges, judges)
    assert not moved(before, generators)


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * images


def test_cycle_and_identity_compare_what_belongs_together(monkeypatch: pytest.MonkeyPatch) -> None:
    run = session(replace(TINY, cycle=100.0, identity=10_000.0))
    run.networks.to_rare, run.networks.to_common = Scaled(-1.0), Scaled(-0.5)
    losses: list[Any] = []
    monkeypatch.setattr(run, "update", lambda loss, _: losses.append(float(loss.detach())))
    common, rare = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16) / 3
    made_rare, made_common, cycle = run.teach_generators(common, rare, torch.Generator().manual_seed(0))
    assert torch.equal(made_rare, -common)
    assert torch.equal(made_common, -0.5 * rare)
    there_and_back = 0.5 * common.mean() + 0.5 * rare.mean()
    assert cycle == pytest.approx(float(there_and_back) / 4)
    fooling = losses[0] - 100 * float(there_and_back) - 10_000 * float(2 * rare.mean() + 1.5 * common.mean())
    assert fooling == pytest.approx(2, abs=0.5), "both judges still answer about 0 to all"


@pytest.mark.parametrize(
    "other",
    [{"cycle": 0.0}, {"identity": 0.0}, {"history": 0}, {"augmentation": "none"}, {"changes": ()}, {"batch_size": 3}],
)
def test_each_choice_of_a_recipe_changes_what_is_learned(other: dict[str, Any]) -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    made = [
        train_translation(recipe, common, rare, seed=1, device=CPU)[0].make(3, 4, seed=0)
        for recipe in (TINY, replace(TINY, **other))
    ]
    assert not torch.equal(*made)
