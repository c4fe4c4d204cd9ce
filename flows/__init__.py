"""Where pipeline and db meet: Prefect flows, plain functions behind them, and the command line."""

import os

# Before torch is loaded: by default idle threads of OpenMP spin, and where page, server and training share two cores
# they take the processor from each other (measured: one training 38.5 s, 2.5 s with threads that sleep).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
