"""A workflow file, run as Qlib's ``qrun`` does: one training, its records, its configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wf_dagster.errors import TaskError
from wf_dagster.qlib_bridge.workflow_file import read_workflow
from wf_dagster.qlib_bridge.workflow_start import prepare_process
from wf_dagster.settings import update_settings
from wf_dagster.sqlite_urls import sqlite_url
from wf_dagster.training import task_train

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

EXPERIMENT = "workflow"  # where neither the file nor the caller names one


def workflow(
    config_path: str | os.PathLike[str],
    experiment_name: str = EXPERIMENT,
    uri_folder: str | os.PathLike[str] | None = None,
) -> Recorder:
    """Train the task of a workflow file into one recorder of this project.

    The recorder holds what :func:`~wf_dagster.task_train` leaves in it, the results of the file's
    records, and the object ``config``: the file as it was read, with its base.

    Args:
        config_path: The file, with what ``qrun`` knows: Jinja with variables of the environment,
            ``BASE_CONFIG_PATH``, ``sys``, ``qlib_init``, ``experiment_name``, ``task``.
        experiment_name: Experiment of the recorder, unless the file names one.
        uri_folder: A folder that becomes a home of its own for what is recorded (``mlflow.db``
            and ``artifacts`` in it), from where this process stands; default the tracking store of
            the settings, or else the one that ``qlib_init.exp_manager`` names.

    Returns:
        The finished recorder.

    Raises:
        TaskError: The file cannot be read, or its task is malformed; no run is made.
        SettingsError: ``qlib_init`` names data that are not there, or is refused by Qlib.

    Example:
        >>> from wf_dagster.workflows import workflow
        >>> workflow("workflow_config_lightgbm_Alpha158.yaml")  # doctest: +SKIP
    """
    path = Path(config_path)
    config = read_workflow(path)
    if uri_folder is not None:
        _record_in(Path(uri_folder))
    prepare_process(config, path)
    name = config.get("experiment_name", experiment_name)
    if not isinstance(name, str) or not name:
        raise TaskError(f"{path}: experiment_name is {name!r}: write a name")
    recorder = task_train(config["task"], experiment_name=name)
    recorder.save_objects(config=config)
    return recorder


def _record_in(folder: Path) -> None:
    folder = folder.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    update_settings(
        tracking_uri=sqlite_url(folder / "mlflow.db"),
        artifact_location=(folder / "artifacts").as_uri(),
    )
