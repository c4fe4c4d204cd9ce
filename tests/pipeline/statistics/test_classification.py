import numpy as np
import pytest
from sklearn import metrics

from pipeline.errors import DataError
from pipeline.statistics import calibration_error, classified, worst_first
from pipeline.statistics.classification import balanced_accuracy, class_recall


def some(seed: int = 0, images: int = 400, classes: int = 5):
    rng = np.random.default_rng(seed)
    targets = rng.choice(classes, images, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    predicted = np.where(rng.random(images) < 0.7, targets, rng.integers(classes, size=images))
    return targets, predicted, rng.random(images)


def test_the_figures_are_those_of_scikit_learn():
    targets, predicted, confidence = some()
    found = classified(targets, predicted, confidence, classes=5)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(targets, predicted))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(targets, predicted))
    assert found.class_recall == pytest.approx(metrics.recall_score(targets, predicted, average=None))
    assert (found.correct, found.total) == (int((targets == predicted).sum()), 400)


def test_a_class_without_images_has_no_recall_and_does_not_count():
    recall = class_recall([0, 0, 3], [0, 3, 3], classes=4)
    assert recall == (0.5, None, None, 1.0)
    assert balanced_accuracy(recall) == 0.75
    assert worst_first(dict(zip("dcba", recall, strict=True))) == [("d", 0.5), ("a", 1.0)]


def test_calibration_by_hand():
    # bins (0.4, 0.6]: 0.5 right, 0.6 wrong -> |1.1 - 1| = 0.1; (0.8, 1]: 1.0 right, 0.9 wrong -> |1.9 - 1| = 0.9
    found = calibration_error([0.5, 0.6, 1.0, 0.9], [True, False, True, False], bins=5)
    assert found == pytest.approx((0.1 + 0.9) / 4)
    assert calibration_error([0.0, 1.0], [False, True]) == 0.0


def test_calibration_is_the_sum_over_bins():
    targets, predicted, confidence = some(1)
    right, total = targets == predicted, 0.0
    for place in range(15):
        inside = (confidence > place / 15) & (confidence <= (place + 1) / 15)
        total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean()) if inside.any() else 0.0
    assert calibration_error(confidence, right) == pytest.approx(total)


def test_calibration_agrees_with_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.classification")
    torch = pytest.importorskip("torch")
    _, _, confidence = some(2)
    right = np.random.default_rng(3).random(400) < 0.6
    found = functional.binary_calibration_error(torch.tensor(confidence), torch.tensor(right).long(), n_bins=15)
    assert calibration_error(confidence, right) == pytest.approx(float(found), abs=1e-5)


@pytest.mark.parametrize(
    ("targets", "predicted", "confidence", "words"),
    [
        ([], [], [], "one or more"),
        ([0, 1], [0], [0.5, 0.5], "as many classes as predictions"),
        ([0, 7], [0, 1], [0.5, 0.5], "classes from 0 to 3, exclusive"),
        ([0, 1], [0, 1], [0.5], "as many confidences"),
        ([0, 1], [0, 1], [0.5, 1.5], "confidences in"),
        ([0, 1], [0, 1], [0.5, float("nan")], "confidences in"),
    ],
)
def test_clear_errors(targets, predicted, confidence, words):
    with pytest.raises(DataError, match=words):
        classified(targets, predicted, confidence, classes=3)


def test_no_recall_at_all_is_an_error():
    with pytest.raises(DataError, match="recall of a class or more"):
        balanced_accuracy((None, None))
