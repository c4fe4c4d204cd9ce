"""What to ask next: given a pool and a model, the k images whose labels should teach most.

>>> from pipeline import strategies
>>> strategies.get_strategy("margin").name
'margin'

The registry is imported when it is first asked for, so that one strategy alone loads nothing of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.strategies.registry import get_strategy

__all__ = ["get_strategy"]


def __getattr__(name: str) -> Any:
    """Import the registry when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.strategies import registry

    return getattr(registry, name)
