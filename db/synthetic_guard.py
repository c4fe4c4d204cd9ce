"""Keeps generated images out of the samples: what was made must never come back as a photo.

A trigger of the database refuses such a row whoever writes it; here the refusal comes earlier and in plain words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.errors import InvalidInput
from db.records import Actor, NewSample, Role
from db.sql import among, chunks
from db.tables import SyntheticSampleRow


def known_synthetic(database: Database, actor: Actor, project_id: int, hashes: Sequence[str]) -> set[str]:
    """Return which hashes are those of images that a generator of any project made: ingest leaves these out.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> set[str]:
        authorize(session, actor, project_id, Role.viewer)
        return synthetic_among(session, hashes)

    return database.read(work)


def refuse_synthetic(session: Session, samples: Iterable[NewSample]) -> None:
    """Refuse images that a generator made, inside of a transaction.

    Raises:
        InvalidInput: naming the first of them.
    """
    named = {sample.sha256: sample.name for sample in samples}
    found = synthetic_among(session, list(named))
    if found:
        shown = ", ".join(sorted(named[sha] for sha in found)[:5])
        raise InvalidInput(
            f"expected photos, got {len(found)} images that a generator made ({shown}); leave them out: they may "
            "train a model and are never labeled or tested on"
        )


def synthetic_among(session: Session, hashes: Sequence[str]) -> set[str]:
    """Return which hashes are those of generated images: of their display image's bytes, or of their pixels."""
    found: set[str] = set()
    for part in chunks(hashes):
        wanted = set(part)
        either = or_(
            among(session, SyntheticSampleRow.sha256, wanted), among(session, SyntheticSampleRow.pixels_sha256, wanted)
        )
        statement = select(SyntheticSampleRow.sha256, SyntheticSampleRow.pixels_sha256).where(either)
        found |= {sha for row in session.execute(statement).tuples() for sha in row} & wanted
    return found
