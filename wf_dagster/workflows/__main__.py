"""``python -m wf_dagster.workflows base --conf_path FILE run``, as Qlib has it for its rollings."""

from __future__ import annotations

import sys

from wf_dagster.extras import optional_import

if __name__ == "__main__":
    with optional_import("qlib", "this command line"):
        import fire

    from wf_dagster import workflows

    # DDG-DA needs PyTorch, and is imported for its own command only
    names = {"base": "Rolling", "ddgda": "DDGDA"}
    chosen = {key: name for key, name in names.items() if key in sys.argv[1:2]} or names
    fire.Fire({key: getattr(workflows, name) for key, name in chosen.items()})
