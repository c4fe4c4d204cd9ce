"""What the README says is fast or accurate is measured here: one file a claim, ``python -m benchmarks.NAME``."""
