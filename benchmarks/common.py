"""What all benchmarks share: arguments, the machine, a table, JSON; not a benchmark itself."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "numpy", "sqlalchemy", "pillow")


def arguments(about: str | None, **options: Any) -> argparse.Namespace:
    """Read ``--json FILE``, ``--quick``, ``--data DIR`` and what is added by ``name=default``, False for a switch."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="under a minute on 2 cores")
    default = os.environ.get("BORDERLINE_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder with mnist/ and others")
    for name, value in options.items():
        kind: dict[str, Any] = {"action": "store_true"} if value is False else {"type": type(value), "default": value}
        parser.add_argument(f"--{name.replace('_', '-')}", **kind)
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """Say where the figures come from: processor, cores, GPU, Python and package versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "python": platform.python_version(),
        "versions": versions,
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name())


def timed(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Return the median seconds of some runs, and the last result."""
    seconds, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2], result


def report(title: str, rows: Sequence[dict[str, Any]], arguments: argparse.Namespace, **more: Any) -> None:
    """Print the rows as a table with the machine below it, and write them as JSON if a file was given."""
    columns = list(rows[0])
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    widths = [max(len(name), *(len(line[place]) for line in cells)) for place, name in enumerate(columns)]
    print(f"\n{title}")
    print("  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)))
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    where = machine()
    print(f"\n{where['processor']}, {where['cores']} cores, GPU: {where['gpu'] or 'none'}, Python {where['python']}, "
          + ", ".join(f"{name} {number}" for name, number in where["versions"].items()))  # fmt: skip
    for name, value in more.items():
        for line in value if isinstance(value, list) else [value]:
            print(f"{name}: {line}")
    print(where["command"])
    save(rows, arguments, **more)


def save(rows: Sequence[dict[str, Any]], arguments: argparse.Namespace, **more: Any) -> None:
    """Write the rows as JSON if a file was given; a long benchmark does so on its way."""
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": list(rows), "machine": machine(), **more}, indent=2) + "\n")


def write_table(document: Path, mark: str, rows: Sequence[dict[str, Any]]) -> None:
    """Put rows as a Markdown table between ``<!-- mark -->`` and ``<!-- end -->`` of a document."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(_cell(row[name]) for name in columns) + " |" for row in rows]
    before, found, rest = document.read_text().partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    if not found or not end:
        raise ValueError(f"expected <!-- {mark} --> and <!-- end --> in {document}, got neither or one; add them")
    document.write_text(before + found + "\n".join(lines) + "\n" + end + after)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
