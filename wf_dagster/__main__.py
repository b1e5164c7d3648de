"""``python -m wf_dagster`` is ``wf-dagster``."""

from wf_dagster.cli import app

app(prog_name="wf-dagster")
