"""What can go wrong between a command and its parts, said in one sentence."""

from __future__ import annotations


class FlowError(Exception):
    """Base of all errors of the flows and the command line."""


class UsageError(FlowError, ValueError):
    """The command asked for something that cannot be; the sentence says what to do. Exit code 2."""


class Canceled(FlowError):
    """The work was canceled by a person, or another process took it over; what was saved stays."""


class AlreadyRunning(FlowError):
    """Another live process does this very work for this project."""
