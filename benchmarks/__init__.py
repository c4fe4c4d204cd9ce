"""What the README says is fast or accurate is measured here: one file a claim, ``python -m benchmarks.NAME``."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `borderline` does: see flows/__init__.py
