"""Run a script as a notebook, a cell for each ``# %%``; its kernel stands where this stands."""

from __future__ import annotations

import sys
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook


def main(script: str) -> int:
    sources = Path(script).read_text().split("# %%")
    cells = [new_code_cell(source.strip()) for source in sources if source.strip()]
    resources = {"metadata": {"path": str(Path.cwd())}}
    try:
        NotebookClient(new_notebook(cells=cells), timeout=120, resources=resources).execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
