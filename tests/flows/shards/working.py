"""What the tests give to Ray: several tasks in one pass, and strategies whose worker is killed at a known point."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from pipeline.strategies.base import Arrays, QueryContext, Selection, ShardTask
from pipeline.strategies.one_pass import joined, split
from pipeline.strategies.shards import ShardsHere
from pipeline.strategies.uncertainty import Margin


@dataclass(frozen=True)
class AllOf:
    """Several tasks on one shard: the start of an actor is what takes time."""

    tasks: tuple[ShardTask, ...]

    def run(self, context: QueryContext) -> Arrays:
        return joined([task.run(context) for task in self.tasks])


Asked = tuple[ShardTask, QueryContext]


class Notes(ShardsHere):
    """Does shards here, and notes what was asked, so that Ray can be asked for all of it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []

    def run(self, task: ShardTask, context: QueryContext) -> Iterator[Arrays]:
        self.asked.append((task, replace(context, runner=None)))
        yield from super().run(task, context)


@dataclass
class Answers(ShardsHere):
    """Gives what Ray answered; knows nothing else."""

    parts: list[Arrays]
    asked: list[Asked]
    left: dict[str, str] = field(default_factory=dict)

    def run(self, task: ShardTask, context: QueryContext) -> Iterator[Arrays]:
        ids = context.pool.ids.tolist()
        [place] = [
            n for n, (other, of) in enumerate(self.asked) if repr(other) == repr(task) and of.pool.ids.tolist() == ids
        ]
        yield from (split(part, place) for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class Killed:
    """Margin sampling whose worker is killed, once or whenever it is asked.

    Attributes:
        flag: A file that a killed worker leaves.
        parent: A process that is spared.
        again: Whether a worker is killed though the file is there.
    """

    flag: str
    parent: int
    again: bool = False

    name: ClassVar[str] = "killed"
    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False
    mergeable: ClassVar[bool] = True

    def select(self, context: QueryContext, k: int) -> Selection:
        if os.getpid() != self.parent and (self.again or not Path(self.flag).exists()):
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Margin().select(context, k)
