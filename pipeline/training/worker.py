"""One process of a training that several share: `torchrun ... -m pipeline.training.worker FOLDER [--owned]` starts it.

It does what the order in the folder says. With `--owned`, on the host where the order was given, it ends when nobody
wants the result anymore: the giver holds a lock of the kernel, which a killed process cannot keep; otherwise a killed
flow would leave GPUs busy for nobody. On other hosts such a lock may not be seen; there the broken connection ends it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import threading
import time
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.training import work_order
from pipeline.training.process_group import ProcessGroup, launched_group
from pipeline.training.supervised import Progress, train

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_TELL_SECONDS = 0.5
NOBODY_WAITS = 75  # exit code


def main() -> None:
    """Train as ordered."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    folder = Path(sys.argv[1])
    owner = folder / work_order.OWNER_LOCK if "--owned" in sys.argv[2:] else None
    threading.Thread(target=_leave_with_owner, args=(owner,), daemon=True).start()
    try:
        order = work_order.read_order(folder)
        carry_out(order, launched_group(order.accelerator), folder)
    except PipelineError as error:
        _log.exception("the training cannot go on")
        work_order.write_error(folder, str(error))
        sys.exit(1)


def carry_out(order: work_order.WorkOrder, group: ProcessGroup, folder: Path) -> None:
    """Train with the others; the first process leaves the result."""
    images = order.images
    report = train(
        order.model,
        images["labeled"],
        order.recipe,
        seed=order.seed,
        device=group.device,
        copies=images.get("copies"),
        pseudo=images.get("pseudo"),
        validation=images.get("validation"),
        synthetic=images.get("synthetic"),
        checkpoint=order.checkpoint,
        checkpoint_seconds=order.checkpoint_seconds,
        on_progress=_teller(folder) if group.leads else None,
        group=group,
    )
    if group.leads:
        work_order.write_result(folder, order.model, report)


def _teller(folder: Path) -> Progress:
    told = -_TELL_SECONDS

    def tell(done: int, total: int, _: str) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_SECONDS or done == total:
            told = time.monotonic()
            work_order.write_progress(folder, done, total)

    return tell


def _leave_with_owner(lock: Path | None) -> None:
    """End this process when `torchrun` is gone, or nobody holds the lock."""
    parent = os.getppid()
    while os.getppid() == parent and (lock is None or _is_held(lock)):
        time.sleep(_LOOK_SECONDS)
    os._exit(NOBODY_WAITS)


def _is_held(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


if __name__ == "__main__":
    main()
