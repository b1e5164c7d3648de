"""``python -m wf_dagster.workflows base --conf_path FILE run``, as Qlib has it for its rollings."""

from __future__ import annotations

from wf_dagster.extras import optional_import
from wf_dagster.workflows import Rolling

if __name__ == "__main__":
    with optional_import("qlib", "this command line"):
        import fire
    fire.Fire({"base": Rolling})
