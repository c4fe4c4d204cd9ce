"""Which answers are about an image, and which about the annotator or an adversarial copy alone."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from db.tables import AnnotationRow, QueryRow

NO_VOTES = ("gold", "copy_check")  # kinds of queries whose answers never make, change or count for a label


def is_about_the_image() -> ColumnElement[bool]:
    """Whether the annotation of the enclosing statement is about its image's class: only then its image was seen.

    An answer to gold tells about the annotator, one to a copy check about the copy. If the image is asked for a label
    after all (its label is gone, or a reviewer sent it back), whoever met it so may answer it as any other.
    """
    asked = aliased(QueryRow)
    return ~select(asked.id).where(asked.id == AnnotationRow.query_id, asked.kind.in_(NO_VOTES)).exists()
