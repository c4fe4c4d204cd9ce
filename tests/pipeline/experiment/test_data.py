import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from pipeline.errors import DataError
from pipeline.experiment import ExperimentData
from tests.pipeline.experiment.worlds import digits, settings


def counts(data: ExperimentData) -> np.ndarray:
    return np.bincount(data.targets, minlength=len(data.classes))


def balanced(each: int = 50, classes: int = 5) -> ExperimentData:
    targets = np.repeat(np.arange(classes), each)
    images = torch.zeros(len(targets), 1, 4, 4, dtype=torch.uint8)
    return ExperimentData.from_tensors(images, targets, images[::10], targets[::10])


def test_classes_are_found_by_id_whatever_the_order():
    data = digits()
    ids = data.pool.ids[::-7]
    assert data.targets_of(ids).tolist() == data.targets[::-7].tolist()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"targets": [0, 1]}, "expected 3 classes for the pool"),
        ({"targets": [0, 1, 5], "classes": ("a", "b")}, "pool classes from 0 to 1"),
        ({"targets": [0, 0, 0], "test_targets": [0, 0]}, "2 classes or more"),
        ({"targets": [0.0, 1.0, 1.0]}, "class positions as integers"),
        ({"test_images": torch.zeros(2, 1, 5, 5, dtype=torch.uint8)}, "of the pool's shape"),
        ({"images": torch.zeros(3, 1, 4, 4)}, "uint8"),
        ({"test_images": torch.zeros(0, 1, 4, 4, dtype=torch.uint8), "test_targets": np.zeros(0, int)}, "in the test"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, expected):
    good = {
        "images": torch.zeros(3, 1, 4, 4, dtype=torch.uint8),
        "targets": [0, 1, 1],
        "test_images": torch.zeros(2, 1, 4, 4, dtype=torch.uint8),
        "test_targets": [0, 1],
    }
    assert len(ExperimentData.from_tensors(**good).pool) == 3
    with pytest.raises(DataError, match=expected):
        ExperimentData.from_tensors(**{**good, **change})


def test_the_rarest_class_is_as_rare_as_asked_and_those_between_fall_evenly():
    data = balanced()
    found = sorted(counts(data.imbalanced(10, seed=3)).tolist(), reverse=True)
    assert found == [round(50 * 10 ** (-place / 4)) for place in range(5)]
    assert data.imbalanced(10, seed=3).test is data.test


def test_as_many_images_stay_as_can():
    data = balanced()
    kept = data.imbalanced(1, seed=0)
    assert kept.pool.ids.tolist() == data.pool.ids.tolist()


def test_which_class_is_rare_is_drawn_by_the_seed_alone():
    data = balanced()
    order = np.arange(len(data.pool))[::-1].copy()
    turned = ExperimentData(
        pool=data.pool.subset(data.pool.ids[order]),
        targets=data.targets[order],
        test=data.test,
        test_targets=data.test_targets,
        classes=data.classes,
    )
    assert set(data.imbalanced(9, 4).pool.ids.tolist()) == set(turned.imbalanced(9, 4).pool.ids.tolist())
    rarest = {int(counts(data.imbalanced(9, seed)).argmin()) for seed in range(20)}
    assert len(rarest) > 2


def test_an_imbalance_that_leaves_a_class_without_images_is_refused():
    with pytest.raises(DataError, match="lower the imbalance"):
        balanced(each=5).imbalanced(1000, seed=0)
    with pytest.raises(DataError, match="1 or more"):
        balanced().imbalanced(0.5, seed=0)


def test_settings_thin_the_pool_the_same_way_for_every_seed_of_a_comparison():
    data = balanced()
    assert data.for_settings(settings()) is data
    once, again = (data.for_settings(settings(imbalance=5.0, seeds=(seed,))) for seed in (0, 7))
    assert once.pool.ids.tolist() == again.pool.ids.tolist()


class Pictures(Dataset):
    classes = ("dark", "light")

    def __init__(self, images: list) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> tuple:
        return self.images[place], place % 2


def test_pictures_and_tensors_of_a_data_set_give_the_same_pixels():
    values = np.random.default_rng(0).integers(0, 256, (4, 9, 9, 3)).astype(np.uint8)
    pictures = Pictures([Image.fromarray(image) for image in values])
    tensors = torch.from_numpy(values).permute(0, 3, 1, 2)
    floats = TensorDataset(tensors / 255, torch.tensor([0, 1, 0, 1]))
    from_pictures = ExperimentData.from_dataset(pictures, pictures)
    from_floats = ExperimentData.from_dataset(floats, floats)
    assert torch.equal(from_pictures.pool.take(range(4)), tensors)
    assert torch.equal(from_floats.pool.take(range(4)), tensors)
    assert from_pictures.classes == ("dark", "light")
    assert from_floats.classes == ("0", "1")
    small = ExperimentData.from_dataset(pictures, pictures, image_size=5, channels=1)
    assert small.pool.image_shape == (1, 5, 5)


def test_a_dark_image_stays_dark_and_normalized_floats_are_refused():
    dark = torch.full((2, 1, 4, 4), 0.25)
    data = ExperimentData.from_dataset(Pictures(list(dark)), Pictures(list(dark)))
    assert int(data.pool.take([0]).max()) == 64
    with pytest.raises(DataError, match=r"item 1 .*without a Normalize"):
        ExperimentData.from_dataset(Pictures([dark[0], dark[1] - 1]), Pictures(list(dark)))


def test_a_data_set_of_something_else_is_refused():
    with pytest.raises(DataError, match="expected \\(image, class\\)"):
        ExperimentData.from_dataset([torch.zeros(1, 4, 4)], [torch.zeros(1, 4, 4)])
    with pytest.raises(DataError, match="integer, got 'cat' for item 0"):
        ExperimentData.from_dataset([(torch.zeros(1, 4, 4), "cat")], [])


def test_a_fingerprint_tells_other_images_and_other_classes():
    data = balanced()
    images, test = data.pool.take(data.pool.ids), data.test.take(data.test.ids)
    others = [(images, np.roll(data.targets, 1)), (images + 1, data.targets), (images[1:], data.targets[1:])]
    marks = {ExperimentData.from_tensors(*other, test, data.test_targets).fingerprint() for other in others}
    assert len(marks | {data.fingerprint()}) == 4
    assert balanced().fingerprint() == data.fingerprint()
