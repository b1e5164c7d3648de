"""This project beside Qlib, a row a job.

``python -m benchmarks [ROW ...] [--write docs/benchmarks.md]`` measures the named rows, or all, and
prints a Markdown table as it goes on. With ``--write`` the page is written too; rows that were not
measured now keep what was measured before.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.page import HEAD, Measured, cells, machine, write_page
from benchmarks.rows import ROWS
from benchmarks.support import row
from wf_dagster.extras import pip_command


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: the figures mean nothing")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page to write")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if importlib.util.find_spec("qlib") is None:
        parser.error(f"Qlib is not installed here: {pip_command('qlib')}")
    if arguments.quick and arguments.write:
        parser.error("--quick measures nothing that is worth a page")
    print(machine(), "\n")
    print(row(*HEAD), row(*["---"] * len(HEAD)), sep="\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        bench = Bench(folder, arguments.quick)
        for name in arguments.rows or ROWS:
            entry = ROWS[name]
            size = entry.quick if arguments.quick else entry.size
            measured = Measured.of(partial(entry.measure, bench, size))
            print(row(*cells(name, measured)), flush=True)
            if arguments.write:
                write_page(arguments.write, {name: measured})


if __name__ == "__main__":
    main()
