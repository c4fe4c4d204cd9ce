"""Where pipeline and db meet: Prefect flows, plain functions behind them, and the command line."""

import os

# Before torch is loaded: by default idle threads of OpenMP spin, and where page, server and training share two cores
# they take the processor from each other: a small training then takes more than ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
