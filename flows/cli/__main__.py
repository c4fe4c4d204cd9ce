"""``python -m flows.cli`` is ``borderline``."""

from flows.cli import main

main()
