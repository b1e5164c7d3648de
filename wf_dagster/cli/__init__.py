"""The command line: ``wf-dagster``.

Importing it is cheap: a command imports what it works with when it is called.
"""

from __future__ import annotations

import typer

from wf_dagster.cli.audit_command import audit
from wf_dagster.cli.owner_command import owner
from wf_dagster.cli.pool_commands import pool_app
from wf_dagster.cli.qlib_import import qlib_import
from wf_dagster.cli.qrun_command import qrun
from wf_dagster.cli.replay_command import replay
from wf_dagster.cli.rolling_command import rolling
from wf_dagster.cli.status_command import status
from wf_dagster.cli.sweep_command import sweep
from wf_dagster.cli.ui import ui
from wf_dagster.cli.worker_command import worker

app = typer.Typer(
    name="wf-dagster",
    help="Rolling forecasting workflows as Dagster assets, recorded in MLflow.",
    no_args_is_help=True,
    add_completion=False,
)

app.add_typer(pool_app, name="pool")
app.command("worker")(worker)
app.command("ui")(ui)
app.command("qlib-import")(qlib_import)
app.command("qrun")(qrun)
app.command("rolling")(rolling)
app.command("replay")(replay)
app.command("status")(status)
app.command("sweep")(sweep)
app.command("owner")(owner)
app.command("audit")(audit)


@app.callback()
def _show_description() -> None:
    """Rolling forecasting workflows as Dagster assets, recorded in MLflow."""
