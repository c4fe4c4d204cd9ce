"""Random numbers that belong to a sample, not to a place in a queue.

A number drawn for (seed, stream, sample id) is the same whatever the order, the batch size or the sharding, so none of
these can change which images are asked. The hash is SplitMix64's finalizer (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014), applied to keys that sha256 spreads.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def derive_seed(seed: int, *parts: int | str) -> int:
    """Return a new seed for a named purpose, independent of the seeds for other purposes.

    Args:
        seed: The seed that the user gave; any integer.
        parts: What the new seed is for, such as `"round", 3`. `3` and `"3"` differ, and so do `"a", "b"` and `"ab"`.

    Returns:
        An integer in [0, 2**63), which NumPy and torch both take.

    >>> derive_seed(0, "round", 1) == derive_seed(0, "round", 1)
    True
    >>> derive_seed(0, "round", 1) == derive_seed(0, "round", 2)
    False
    """
    plain = tuple(part if isinstance(part, str) else int(part) for part in parts)  # a NumPy 3 is a 3
    digest = hashlib.sha256(repr((int(seed), *plain)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def per_sample_uniform(seed: int, ids: NDArray[np.int64] | Any, stream: str) -> NDArray[np.float64]:
    """Return one uniform number a sample, by its id alone.

    Args:
        seed: Any integer.
        ids: Sample ids, integers (N,).
        stream: What the numbers are for; numbers of different streams are independent.

    Returns:
        float64 (N,) in [0, 1), with 53 random bits each.

    >>> a = per_sample_uniform(0, np.array([5, 9]), "ties")
    >>> b = per_sample_uniform(0, np.array([9, 5]), "ties")
    >>> bool((a == b[::-1]).all())
    True
    """
    keys = np.asarray(ids)
    if keys.size and keys.dtype.kind not in "iu":
        raise TypeError(f"expected integer sample ids, got {keys.dtype}; pass the ids, not scores or positions")
    offset = np.uint64(derive_seed(seed, "per-sample", stream))
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is what is wanted
        mixed = _finalize(_finalize(keys.astype(np.int64).view(np.uint64) * _GAMMA + offset) + offset)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _finalize(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer: each input bit changes about half of the output bits."""
    values = values + _GAMMA
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return np.asarray(values ^ (values >> np.uint64(31)))
