"""The command ``wf-dagster ui``: the Dagster and MLflow pages side by side, ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_dagster.cli.module_option import ModuleOption
from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages
from wf_dagster.errors import SettingsError, WfError
from wf_dagster.extras import require_extra
from wf_dagster.sqlite_urls import sqlite_file

if TYPE_CHECKING:
    from wf_dagster.orchestration.location.code_target import CodeTarget


def ui(
    dagster_port: Annotated[int, typer.Option(help="Port of the Dagster page.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow page.")] = 5000,
    workspace: Annotated[
        Path | None,
        typer.Option(
            help="Dagster workspace file; default what `dagster dev` or `dg dev` open here.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    module: ModuleOption = None,
) -> None:
    """Open the Dagster and the MLflow page on the same state; Ctrl-C ends both."""
    from wf_dagster.orchestration.location.code_target import find_target  # slow to import

    with wf_errors_as_messages():
        require_extra("ui", "wf-dagster ui")
        target = find_target(module, workspace)
        raise typer.Exit(serve(target, dagster_port=dagster_port, mlflow_port=mlflow_port))


def serve(target: CodeTarget, *, dagster_port: int, mlflow_port: int) -> int:
    """Serve both pages until one ends or the terminal asks to stop.

    Args:
        target: The code location. It is loaded once to see which home folder it chooses.
        dagster_port: Port of the Dagster page on this machine.
        mlflow_port: Port of the MLflow page on this machine.

    Returns:
        Exit code: 0 after Ctrl-C or SIGTERM, else that of the page that ended.

    Raises:
        SettingsError: A port is taken, the home folder cannot be written, or the code location
            is not there.
        TrackingError: The database of the default store cannot be opened.
    """
    from wf_dagster.orchestration.dagster_home import prepare_dagster_home  # slow to import
    from wf_dagster.settings import get_settings
    from wf_dagster.tracking.store import get_client  # slow to import

    for option, port in (("--dagster-port", dagster_port), ("--mlflow-port", mlflow_port)):
        _check_free(option, port)

    _load_chosen_home(target)
    settings = get_settings()
    home = settings.make_home()
    dagster_home = prepare_dagster_home(home)
    environment = {
        **os.environ,
        "WF_HOME": str(home),
        "DAGSTER_HOME": str(dagster_home),
        "MLFLOW_DISABLE_TELEMETRY": os.environ.get("MLFLOW_DISABLE_TELEMETRY", "true"),
        "WF_MLFLOW_UI_URL": f"http://localhost:{mlflow_port}",
    }
    uri = settings.resolved_tracking_uri()
    if sqlite_file(uri):
        get_client(uri)  # in a home folder that was moved, the page finds files where they are now
    mlflow = ["-m", "mlflow", "server", "--port", str(mlflow_port), "--host", "127.0.0.1"]
    mlflow += ["--backend-store-uri", uri, "--workers", "1"]
    if location := settings.resolved_artifact_location():
        mlflow += ["--default-artifact-root", location]
    page = uri if uri.startswith("http") else environment["WF_MLFLOW_UI_URL"]
    print(
        f"Dagster  http://localhost:{dagster_port}\n"
        f"MLflow   {page} (choose 'Model training' there)\n"
        "Ctrl-C ends both.",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        workspace = target.folder / target.file
        if not target.is_workspace:
            workspace = Path(folder, "workspace.yaml")
            workspace.write_text(target.workspace_text(), encoding="utf-8")
        dagster = ["-m", "dagster", "dev", "-w", str(workspace), "-p", str(dagster_port)]
        commands = [dagster] if uri.startswith("http") else [dagster, mlflow]
        return _run_side_by_side(
            [[sys.executable, *command] for command in commands], environment, target.folder
        )


def _load_chosen_home(target: CodeTarget) -> None:
    """Let the code location choose its home folder; one that fails is for the page to show."""
    from wf_dagster.orchestration.location.code_location import load_target  # slow to import

    try:
        load_target(target)
    except WfError:
        raise
    except Exception as error:
        typer.echo(
            f"wf-dagster: the definitions cannot be loaded yet ({type(error).__name__}: {error}); "
            "the Dagster page has the details",
            err=True,
        )


def _check_free(option: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsError(
                f"port {port} cannot be used ({error.strerror}): end what listens there, or "
                f"choose another with {option}"
            ) from None


def _run_side_by_side(commands: list[list[str]], environment: dict[str, str], folder: Path) -> int:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    # a shell that starts this in the background ignores Ctrl-C, and so would the pages
    signal.signal(signal.SIGINT, signal.default_int_handler)
    children: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            # sessions of their own, so that Ctrl-C reaches each exactly once, from here
            children.append(
                subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
            )
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
        return next(child.returncode for child in children if child.returncode is not None)
    except KeyboardInterrupt:
        return 0
    finally:
        for child in children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGINT)
        for child in children:
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
        signal.signal(signal.SIGTERM, previous)
