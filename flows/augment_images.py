"""Makes candidates: arrays on disk, what people see of them, and the real image that each is most like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from db.records import GeneratorVersion, NewCandidate, NewCandidates, Project
from flows.augment_material import Material, Unlabeled
from flows.augment_plan import Filling
from flows.files import new_file
from flows.report import Reporter
from flows.store import Store
from pipeline.augmentation.records import ImageMaker
from pipeline.data.display import encode_display
from pipeline.data.shards import content_hash
from pipeline.data.sheets import contact_sheet
from pipeline.data.transforms import to_float
from pipeline.errors import DataError
from pipeline.files import atomic_write, atomic_write_bytes, check_file
from pipeline.randomness import derive_seed

FOLDER = "synthetic"
SHEET_IMAGES = 60
_AT_A_TIME = 4096  # real images in a distance matrix


@dataclass(frozen=True)
class RealImages:
    """All real images that a maker may have seen, so that copies of them are found.

    Attributes:
        images: Sets of uint8 images (N, C, S, S).
        ids: Their sample ids, int64 (N,) each.
    """

    images: Sequence[Tensor]
    ids: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, material: Material, unlabeled: Unlabeled | None) -> RealImages:
        """Take the labels, those set aside included, and the pool."""
        images, ids = [material.everything.images], [material.everything.ids.numpy()]
        if unlabeled is not None:
            images, ids = [*images, unlabeled.images], [*ids, unlabeled.ids]
        return cls(images, ids)

    def nearest(self, made: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return for images (F, C, S, S) the nearest sample's id (F,) and the distance (F,).

        The distance is the root mean square difference of pixels in [0, 1]: 0 is a copy.
        """
        flat = to_float(made).flatten(1)  # (F, D)
        best, owner = torch.full((len(made),), torch.inf), torch.zeros(len(made), dtype=torch.int64)
        for images, ids in zip(self.images, self.ids, strict=True):
            for start in range(0, len(images), _AT_A_TIME):
                some = to_float(images[start : start + _AT_A_TIME]).flatten(1)
                distances = torch.cdist(flat, some, compute_mode="donot_use_mm_for_euclid_dist")  # exact: a copy has 0
                low, place = distances.min(dim=1)
                closer = low < best
                best = torch.where(closer, low, best)
                owner = torch.where(closer, torch.from_numpy(ids)[start + place], owner)
        return owner.numpy(), best.double().numpy() / flat.shape[1] ** 0.5


def make_candidates(
    store: Store,
    project: Project,
    maker: ImageMaker,
    filling: Filling,
    key: str,
    real: RealImages,
    reporter: Reporter,
) -> NewCandidates:
    """Make the images of one class and write them; run again it writes the same bytes under the same names.

    Raises:
        ModelError: The maker gives nearly nothing but copies of its training images.
    """
    reporter.progress(0, 0, f"making {filling.count} images of {name_of(project, filling.target)}")
    seed = derive_seed(project.seed, "synthetic", key, filling.target)
    made = maker.make(filling.target, filling.count, seed=seed)  # (F, C, S, S)
    if made.dtype != torch.uint8 or len(made) != filling.count:
        raise DataError(f"expected {filling.count} uint8 images, got {len(made)} of {made.dtype}; mend the maker")
    show(store, project, f"{slug(key)}-class-{filling.target}", contact_sheet(made[:SHEET_IMAGES]), reporter,
         f"Images made for {name_of(project, filling.target)}, before the gate")  # fmt: skip
    folder, name = store.settings.project_folder(project.id, FOLDER), f"{slug(key)}-class-{filling.target}"
    array = atomic_write(folder / f"{name}.npy", lambda file: np.save(file, made.numpy(), allow_pickle=False))
    pixels = [_pixels(image) for image in made]
    shown = [_shown(one) for one in pixels]
    pack = atomic_write(folder / f"{name}.pack", lambda file: _write_all(file, shown))
    starts = np.cumsum([0, *(len(data) for data in shown)])
    ids, distances = real.nearest(made)
    rows = [
        NewCandidate(
            row=row,
            position=filling.target,
            sha256=content_hash(shown[row]),
            pixels_sha256=content_hash(pixels[row]),
            display_offset=int(starts[row]),
            display_length=len(shown[row]),
            nearest_sample_id=int(ids[row]),
            nearest_distance=float(distances[row]),
        )
        for row in range(len(made))
    ]
    return NewCandidates(file=new_file(store, array), display=new_file(store, pack), rows=rows)


def read_candidates(store: Store, version: GeneratorVersion, target: int) -> Tensor:
    """Read the images (F, C, S, S) of one class that a version made, as they were written.

    Raises:
        FileDamaged: They are not what was written.
    """
    path, sha256 = version.metrics["arrays"][str(target)]
    check_file(store.path(path), sha256)
    return torch.from_numpy(np.load(store.path(path), allow_pickle=False))


def show(store: Store, project: Project, name: str, png: bytes, reporter: Reporter, caption: str) -> None:
    """Keep a sheet as a file of the project, the newest under its name, and show it where work is watched."""
    folder = store.settings.project_folder(project.id, FOLDER) / "sheets"
    atomic_write_bytes(folder / f"{name}.png", png)
    reporter.picture(f"project-{project.id}-{name}", png, f"{project.name}: {caption}")


def slug(key: str) -> str:
    """Return a key as part of a file's name: 'round 3 gan' is 'round-3-gan'."""
    return key.replace(" ", "-")


def name_of(project: Project, position: int) -> str:
    """Return the name of the class in use at a position."""
    return next(entry.name for entry in project.classes if entry.position == position)


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    """Return an image (C, S, S) as the row of an array that ingest would read: (S, S) gray, (S, S, 3) color."""
    array: NDArray[np.uint8] = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return array[:, :, 0].copy() if array.shape[2] == 1 else array


def _shown(pixels: NDArray[np.uint8]) -> bytes:
    data, kind = encode_display(pixels)
    if kind != "image/png":
        raise DataError(f"expected images of at most 256 pixels a side, got {pixels.shape[:2]}; none are made so large")
    return data


def _write_all(file: BinaryIO, parts: Sequence[bytes]) -> None:
    for part in parts:
        file.write(part)
