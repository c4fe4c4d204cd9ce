"""`python -m labeler_ui`: serve the pages from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from db.errors import StoreError
from db.redaction import redact
from labeler_ui.server import ServeError, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the pages; return 2 with one sentence on stderr when that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m labeler_ui", description="Serve Borderline's labeling pages.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8501, type=int, help="port to listen on (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        serve(chosen.host, chosen.port)
    except (ServeError, StoreError, ValueError, OSError) as error:
        sys.stderr.write(f"borderline: {redact(str(error))}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
