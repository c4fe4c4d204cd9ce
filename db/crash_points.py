"""Named moments at which a test lets a process die: does nothing unless BORDERLINE_CRASH_AT names one.

``BORDERLINE_CRASH_AT=after_commit`` kills this process with SIGKILL when it first comes by, ``after_commit:3`` at the
third time. A kill at a random moment hardly ever falls between a commit and its acknowledgment; this one always does.
"""

from __future__ import annotations

import itertools
import os
import signal

CRASH_AT = "BORDERLINE_CRASH_AT"
BEFORE_COMMIT = "before_commit"
AFTER_COMMIT = "after_commit"
SHARD_ON_DISK = "shard_on_disk"
JOB_PROGRESS = "job_progress"
MODEL_ON_DISK = "model_on_disk"
MODEL_RECORDED = "model_recorded"
RANKED = "ranked"
MID_ENQUEUE = "mid_enqueue"
NAMES = (
    BEFORE_COMMIT, AFTER_COMMIT, SHARD_ON_DISK, JOB_PROGRESS, MODEL_ON_DISK, MODEL_RECORDED, RANKED, MID_ENQUEUE,
)  # fmt: skip

_times = itertools.count(1)


def reach(name: str) -> None:
    """Die here if the environment says so.

    Args:
        name: One of NAMES; what follows a colon in the environment says at which passage, the first without.
    """
    wanted = os.environ.get(CRASH_AT)
    if wanted is None:
        return
    point, _, turn = wanted.partition(":")
    if point == name and next(_times) >= int(turn or 1):
        os.kill(os.getpid(), signal.SIGKILL)
