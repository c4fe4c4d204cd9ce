"""One small exception tree, so that a caller can catch everything of ours, or just what it can do something about."""

from __future__ import annotations


class PipelineError(Exception):
    """Anything that `pipeline` raises on purpose; its text says what was expected, what came, and what to do."""


class DataError(PipelineError, ValueError):
    """Images, arrays, manifests or ids that cannot be used as they are."""


class ImageRejected(DataError):
    """One image cannot be used; the others can.

    Attributes:
        reason: A friendly one-line reason, fit to be shown beside the file's name.

    >>> str(ImageRejected("the file is empty"))
    'the file is empty'
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FileDamaged(PipelineError):
    """A stored file is missing, or its bytes are not the ones that were written."""


class StrategyError(PipelineError):
    """A query strategy is unknown, or cannot work with the model or pool that it was given."""


class ModelError(PipelineError):
    """A model is unknown, or its weights do not fit."""


class TrainingError(PipelineError):
    """Training cannot start, or went wrong (a loss that is not a number, no labeled images)."""


class ExperimentError(PipelineError):
    """A comparison cannot be run as asked, or what it gave before does not fit what it gives now."""
