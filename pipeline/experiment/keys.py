"""Hashes that tell whether saved work belongs to a comparison."""

from __future__ import annotations

import hashlib

import torch


def key_of(*parts: object) -> str:
    """Return a hash of all that decides some numbers, and of the version of torch that computes them."""
    return hashlib.sha256("\n".join([torch.__version__, *map(repr, parts)]).encode()).hexdigest()[:32]
