"""Lock a round for a change, whoever changes it: in one way, with one refusal."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.access import authorize
from db.errors import NotFound
from db.records import Actor, Role
from db.tables import RoundRow


def lock_round(session: Session, actor: Actor, round_id: int) -> RoundRow:
    """Lock a round for its administrator.

    Raises:
        PermissionDenied: below administrator in the round's project.
        NotFound: if there is no such round.
    """
    statement = select(RoundRow).where(RoundRow.id == round_id).with_for_update(key_share=True)
    turn = session.scalars(statement).one_or_none()
    authorize(session, actor, turn.project_id if turn else None, Role.administrator)
    if turn is None:
        raise NotFound(f"expected a round, got the id {round_id} of none; begin one first")
    return turn
