"""What ranking a pool costs, in inference passes: our exact top-k, every strategy, and DeepFool as others wrote it.

Claim: the k images nearest to the border, exactly, for little more than the price of looking at the pool once.

One inference pass is the model in inference mode over the pool, the best of three batch sizes, median of 5; passes an
image are wall time over wall time in one run, and each of our searches runs between two passes (median of 3). Ours
runs over pools that lie on disk; a million images are made of MNIST by shifting and noising. `exhaustive` is DeepFool
on every image, with a k that does not change its cost; recall is the share of its k nearest that a method finds (of
the same subset, for peers). Peers get float images and predicted labels ready-made, and the best of three batch
sizes; their cost does not depend on k. What is slow is timed on the first images of the pool alone: column `images`.
Memory: see benchmarks/memory.py.

Needs torch, torchvision, safetensors, NumPy, Pillow and the IDX files of MNIST alone: it runs on a machine with a GPU
as it is, and says what it skips. `--peers` measures the peers that are installed; `make bench-peers` has them all.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import arguments, report, save
from benchmarks.ranking_methods import Ranking
from benchmarks.subjects import Digits, device, read_digits, trained, write_pool

_HEAVY = {"vgg8": 5_000}  # images at most, without a GPU: the printed subset


def main() -> None:
    """Measure networks trained on few labels; strategies and slow peers for the first of them alone."""
    given = arguments(
        __doc__, model="lenet5", labels="100", seeds="0", pools="10000,60000,1000000", exhaustive=60_000, peers=False,
        ours=False,
    )  # fmt: skip
    train_files, test_files = read_digits(given.data / "mnist")
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for labels, seed in itertools.product(numbers(given.labels), numbers(given.seeds)):
            subject = trained(given.model, test_files, labels, seed, quick=given.quick)
            ranking = Ranking(subject, rows, notes, first=not rows, quick=given.quick)
            for count in pool_sizes(given, given.model):
                measure(ranking, train_files, count, Path(folder), given)
                save(rows, given, notes=notes)
    report(f"Ranking of MNIST by {given.model}", rows, given, notes=notes)


def measure(ranking: Ranking, digits: Digits, count: int, folder: Path, given: argparse.Namespace) -> None:
    """Measure everything on a pool up to the size of MNIST, and ours alone on a larger one.

    DeepFool on every image takes minutes: only on pools up to `--exhaustive`. `--ours` leaves other strategies out.
    """
    real = count <= len(digits.images)
    pool = write_pool(folder, digits, count)
    ranking.note(f"{count:,} images lie in {count * pool.take([0]).numel() / 2**20:,.0f} MB of mapped files")
    if count == _HEAVY.get(ranking.subject.name):
        ranking.note(f"{ranking.subject.name} without a GPU: the first {count:,} images stand for all pools")
    ranking.look_at(pool)
    ranking.ours(exhaustive=count <= given.exhaustive)
    if real and given.peers:
        ranking.peers()
    if real and not given.ours:
        ranking.strategies()


def pool_sizes(given: argparse.Namespace, model: str) -> list[int]:
    """Return the pools' sizes; smaller ones for a quick run, and for a heavy network without a GPU."""
    most = 2_000 if given.quick else max(numbers(given.pools))
    if device().type == "cpu":
        most = min(most, _HEAVY.get(model, most))
    return sorted({min(count, most) for count in numbers(given.pools)})


def numbers(text: str) -> list[int]:
    """Read numbers with commas between them.

    >>> numbers("100,500")
    [100, 500]
    """
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
