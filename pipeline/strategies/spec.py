"""Reads a strategy as a person types it; importing this imports no torch.

dfal                                          a name
core_set_robust(outliers=0.001)               with settings
margin+deduplicated+copies                    wrapped, from left to right
egl+subsampled(size=2000)                     a wrapper with settings
mixed(dfal_0=0.9, random_sampling=0.1)        shares of several
my_package.my_module:MyStrategy+copies        your own
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pipeline.catalog import STRATEGIES, WRAPPERS
from pipeline.errors import StrategyError

_OWN = re.compile(r"""(['"]).*?\1|[A-Za-z_][\w.]*:[A-Za-z_]\w*""")  # what is quoted already stays
_MIXED = "mixed"


@dataclass(frozen=True)
class Spec:
    """A strategy as it was typed.

    Attributes:
        name: Of a strategy, a wrapper, or an import path with a colon.
        base: What a wrapper wraps; None for a strategy.
        settings: Values by name.
        shares: Of `mixed`: strategies and their shares.
    """

    name: str
    base: Spec | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    shares: tuple[tuple[Spec, float], ...] = ()


def parse_spec(text: str) -> Spec:
    """Return what a text means; names are checked, settings are not.

    Raises:
        StrategyError: It is no strategy, or a name is unknown.

    >>> parse_spec("margin+copies").base.name
    'margin'
    >>> parse_spec("core_set_robust(outliers=0.001)").settings
    {'outliers': 0.001}
    """
    if ":" in text and not _OWN.search(text):
        raise StrategyError(f"expected an import path 'package.module:ClassName', got {text!r}")
    quoted = _OWN.sub(lambda found: found.group() if found.group(1) else repr(found.group()), text)
    try:
        tree = ast.parse(quoted.strip(), mode="eval").body
    except SyntaxError as error:
        raise StrategyError(f"expected a strategy such as dfal or margin+copies, got {text!r}; {_HELP}") from error
    return _read(tree, text)


_HELP = "see: borderline strategies"


def _read(node: ast.expr, text: str) -> Spec:
    match node:
        case ast.Name(id=name):
            return _known(name)
        case ast.Constant(value=str(path)) if ":" in path:
            return Spec(path)
        case ast.BinOp(left=left, op=ast.Add(), right=ast.Name(id=name)):
            return Spec(_wrapper(name), _read(left, text))
        case ast.BinOp(left=left, op=ast.Add(), right=ast.Call(func=ast.Name(id=name), args=[], keywords=given)):
            return Spec(_wrapper(name), _read(left, text), _settings(given, text))
        case ast.Call(func=ast.Name(id="mixed"), args=[], keywords=given) if given:
            return Spec(_MIXED, shares=tuple(_share(item, text) for item in given))
        case ast.Call(func=ast.Name(id=name), args=[], keywords=given):
            return Spec(_known(name).name, settings=_settings(given, text))
        case ast.Call(func=ast.Constant(value=str(path)), args=[], keywords=given) if ":" in path:
            return Spec(path, settings=_settings(given, text))
    raise StrategyError(f"expected a strategy such as dfal or margin+copies, got {text!r}; {_HELP}")


def _share(item: ast.keyword, text: str) -> tuple[Spec, float]:
    value = _literal(item, text)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise StrategyError(f"expected shares in (0, 1], got {item.arg}={value!r}; such as {_MIXED}(dfal_0=0.9, ...)")
    return _known(str(item.arg)), float(value)


def _settings(given: list[ast.keyword], text: str) -> dict[str, Any]:
    return {str(item.arg): _literal(item, text) for item in given}


def _literal(item: ast.keyword, text: str) -> Any:
    try:
        return ast.literal_eval(item.value)
    except ValueError as error:
        raise StrategyError(f"expected a number or a quoted word for {item.arg}, got {text!r}; {_HELP}") from error


def _known(name: str) -> Spec:
    if name in STRATEGIES:
        return Spec(name)
    if name == _MIXED:
        raise StrategyError(f"expected shares, such as {_MIXED}(dfal_0=0.9, random_sampling=0.1), got none")
    if name in WRAPPERS:
        raise StrategyError(f"expected a strategy before {name}, got none; such as margin+{name}")
    raise _unknown(name, list(STRATEGIES))


def _wrapper(name: str) -> str:
    if name in WRAPPERS and name != _MIXED:
        return name
    raise _unknown(name, [wrapper for wrapper in WRAPPERS if wrapper != _MIXED])


def _unknown(name: str, known: list[str]) -> StrategyError:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(known)}"
    return StrategyError(
        f"expected a known strategy, got {name!r}; {hint} (or 'package.module:ClassName' for your own)"
    )
