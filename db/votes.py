"""Which answers are about an image, and which about the annotator alone."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from db.tables import AnnotationRow, QueryRow


def is_about_the_image() -> ColumnElement[bool]:
    """Whether the annotation of the enclosing statement answers anything but gold: only then its image was seen.

    An answer to gold tells about the annotator. If the image is asked for a label after all (its label is gone, or a
    reviewer sent it back), whoever met it as gold may answer it as any other.
    """
    asked = aliased(QueryRow)
    return ~select(asked.id).where(asked.id == AnnotationRow.query_id, asked.kind == "gold").exists()
