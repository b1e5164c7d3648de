"""``Rolling``: the task of a workflow file, rolled, joined and analysed once."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from wf_dagster.collect import RecorderCollector, RollingEnsemble
from wf_dagster.collect.joined_records import generate_joined_records
from wf_dagster.errors import CollectError, ObjectNotFoundError, TaskError
from wf_dagster.market import adopt_qlib_init, is_qlib_in_use
from wf_dagster.qlib_bridge.session import ensure
from wf_dagster.qlib_bridge.workflow_file import merge_config, read_workflow
from wf_dagster.qlib_bridge.workflow_start import add_module_folders, prepare_process
from wf_dagster.rolling import RollingGen, handler_mod, task_generator
from wf_dagster.rolling.generators import whole_number
from wf_dagster.tasks.label_expressions import read_label_reach
from wf_dagster.tracking import R
from wf_dagster.training import TrainerR

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)
_SIGNAL = "qlib.workflow.record_temp.SignalRecord"
_OBJECTS = {"pred": "pred.pkl", "label": "label.pkl"}


class Rolling:
    """Rolls the task of a workflow file, and analyses the joined predictions of all rolls.

    Each roll is a recorder of the experiment ``rolling_exp`` that holds predictions and labels. One
    more recorder, in ``exp_name``, holds those of all rolls, and what the file's records make of
    them; records that need a model are of each roll. Rolls are trained in worker processes, and
    what they share of their features is computed once, ahead.

    The methods are the steps, under Qlib's names: a subclass may change any of them.

    Args:
        conf_path: The workflow file. Its ``qlib_init`` counts where Qlib is not in use already, by
            the settings or a ``qlib.init`` of the script.
        exp_name: Experiment of the joined recorder; default ``"Experiment"``.
        horizon: Sessions that the label spans: the handler's label becomes
            ``Ref($close, -(horizon + 1)) / Ref($close, -1) - 1``, and the other segments of a roll
            end ``horizon + 1`` sessions before its test segment. ``None`` keeps the file's label,
            and the segments end as many sessions before as that looks ahead.
        step: Sessions a roll, or ``"week"``, ``"month"``, ``"quarter"``, ``"year"``.
        h_path: File of a handler, which takes the place of the one in the file; its label stays.
        train_start: First date of the train segment, where that of the file is not meant.
        test_end: Last date of the test segment, likewise.
        task_ext_conf: Changes of the task: a dict that is merged into it, section by section.
        rolling_exp: Experiment of the rolls; default a new one, named by the time. What it holds of
            rolls that were trained before is deleted when the new ones are trained.

    Raises:
        TaskError: ``horizon`` or ``step`` has no meaning.

    Example:
        >>> from wf_dagster.workflows import Rolling
        >>> rolling = Rolling("workflow.yaml", "rolling", horizon=5, step=20)  # doctest: +SKIP
        >>> rolling.run()  # doctest: +SKIP
        >>> rolling.recorder.list_metrics()["IC"]  # doctest: +SKIP
    """

    def __init__(
        self,
        conf_path: str | os.PathLike[str],
        exp_name: str | None = None,
        horizon: int | None = 20,
        step: int | str = 20,
        h_path: str | os.PathLike[str] | None = None,
        train_start: Any = None,
        test_end: Any = None,
        task_ext_conf: Mapping[str, Any] | None = None,
        rolling_exp: str | None = None,
    ) -> None:
        RollingGen(step)  # refuses what has no meaning
        if horizon is not None:
            horizon = whole_number("horizon", horizon, 1, "of sessions, or None")
        self.logger = _log
        self.conf_path = Path(conf_path)
        self.exp_name = exp_name
        self.horizon = horizon
        self.step = step
        self.h_path = h_path
        self.train_start = train_start
        self.test_end = test_end
        self.task_ext_conf = task_ext_conf
        self.rolling_exp = rolling_exp or f"rolling_models_{pd.Timestamp.now():%Y%m%d%H%M%S}"
        self._rid: str | None = None  # of the joined recorder
        # whether the handler's data end where the file says, as those of a stored handler do
        self._is_handler_fixed = True

    @property
    def recorder(self) -> Recorder:
        """The joined recorder of the last run.

        Raises:
            ObjectNotFoundError: There was none.
        """
        if self._rid is None:
            raise ObjectNotFoundError("no rolls were joined yet: call run(), or _ens_rolling()")
        return R.get_recorder(recorder_id=self._rid)

    # the task

    def _raw_conf(self) -> dict[str, Any]:
        """The configuration in the file."""
        return read_workflow(self.conf_path)

    def _prepared_conf(self) -> dict[str, Any]:
        """The configuration, in a process that is ready for what it names.

        Raises:
            TaskError: It holds no task with a handler and segments.
        """
        config = self._raw_conf()
        _check_parts(config["task"], self.conf_path)
        if is_qlib_in_use():
            add_module_folders(config, self.conf_path)
        else:
            prepare_process(config, self.conf_path)
        # now, and not with the first roll: what a subclass logs with Qlib's R is to come here too
        ensure(adopt_qlib_init())
        return config

    def _replace_handler_with_cache(self, task: dict[str, Any]) -> dict[str, Any]:
        """The task with the handler of ``h_path``, if any.

        Others stay as they are described: what they compute is shared by the tables in
        ``WF_HOME/cache``, and needs no pickle beside the file.
        """
        if self.h_path is not None:
            task["dataset"]["kwargs"]["handler"] = f"file://{Path(self.h_path).absolute()}"
        return task

    def _update_start_end_time(self, task: dict[str, Any]) -> dict[str, Any]:
        """The task with ``train_start`` and ``test_end``."""
        segments = task["dataset"]["kwargs"]["segments"]
        if self.train_start is not None:
            segments["train"] = (pd.Timestamp(self.train_start), segments["train"][1])
        if self.test_end is not None:
            segments["test"] = (segments["test"][0], pd.Timestamp(self.test_end))
        return task

    def basic_task(self, enable_handler_cache: bool | None = True) -> dict[str, Any]:
        """The task that is rolled: that of the file, with what the arguments change.

        Args:
            enable_handler_cache: Whether the handler is one of fixed data, which end where the file
                says; else rolls open it where they reach further.

        Raises:
            TaskError: The file holds no task with a handler and segments.
        """
        task: dict[str, Any] = copy.deepcopy(self._prepared_conf()["task"])
        self._is_handler_fixed = bool(enable_handler_cache) or self.h_path is not None
        self._set_label(task)
        if self._is_handler_fixed:
            task = self._replace_handler_with_cache(task)
        task = self._update_start_end_time(task)
        if self.task_ext_conf is not None:
            task = merge_config(task, self.task_ext_conf)
        self.logger.info("the task that is rolled: %s", task)
        return task

    def _set_label(self, task: dict[str, Any]) -> None:
        if self.horizon is None:
            return
        handler = task["dataset"]["kwargs"]["handler"]
        if self.h_path is not None or not isinstance(handler, dict):
            self.logger.warning(
                "horizon=%d does not change the label: the handler is a file or a ready one, whose "
                "label stays; give the horizon that it has, by which segments are cut",
                self.horizon,
            )
            return
        label = f"Ref($close, -{self.horizon + 1}) / Ref($close, -1) - 1"
        handler.setdefault("kwargs", {})["label"] = [label]

    def run_basic_task(self) -> None:
        """Train the task without rolling, with its own records, into ``exp_name``."""
        TrainerR(experiment_name=self.exp_name)([self.basic_task()])

    # the rolls

    def get_task_list(self) -> list[dict[str, Any]]:
        """The tasks of all rolls, whose only record is that of predictions and labels."""
        task = self.basic_task()
        reach = read_label_reach(task["dataset"]) if self.horizon is None else self.horizon + 1
        if reach is None:
            raise TaskError(
                f"{self.conf_path}: how far the label looks ahead is not known: give the horizon"
            )
        change_handler = None if self._is_handler_fixed else handler_mod
        generator = RollingGen(self.step, trunc_days=reach, ds_extra_mod_func=change_handler)
        tasks = task_generator(task, generator)
        for roll in tasks:
            roll["record"] = [_SIGNAL]
        return tasks

    def _train_rolling_tasks(self) -> None:
        """Train the rolls; what ``rolling_exp`` held before goes when they are trained."""
        before = R.list_recorders(experiment_name=self.rolling_exp)
        TrainerR(experiment_name=self.rolling_exp)(self.get_task_list())
        if before:
            self.logger.warning(
                "%d recorders of earlier rolls are deleted from experiment %r",
                *(len(before), self.rolling_exp),
            )
        for recorder_id in before:
            R.delete_recorder(recorder_id)

    # all rolls together

    def _ens_rolling(self) -> None:
        """Join the predictions and labels of the rolls in a recorder of ``exp_name``.

        Raises:
            CollectError: No roll is finished.
        """
        collect = RecorderCollector(
            self.rolling_exp,
            process_list=RollingEnsemble(),
            artifacts_key=list(_OBJECTS),
            artifacts_path=_OBJECTS,
        )
        joined = collect()
        if missing := [name for key, name in _OBJECTS.items() if key not in joined]:
            raise CollectError(
                f"experiment {self.rolling_exp!r} holds no finished roll with {missing[0]}: call "
                "run(), or _train_rolling_tasks() first"
            )
        with R.start(experiment_name=self.exp_name):
            R.log_params(exp_name=self.rolling_exp)
            R.save_objects(**{name: joined[key] for key, name in _OBJECTS.items()})
            self._rid = R.get_recorder().id

    def _update_rolling_rec(self) -> None:
        """Compute the file's analyses on the joined predictions.

        Dates that a record fixes stay, as with Qlib, and reach outside the predictions with a
        warning.
        """
        records = self._raw_conf()["task"].get("record")
        task = {**self.basic_task(enable_handler_cache=False), "record": records}
        recorder = self.recorder
        label = recorder.load_object(_OBJECTS["label"])
        generate_joined_records(task, recorder, label=label, clip_dates=False)
        self.logger.info("recorder %s holds the results of all rolls", recorder.id)

    def run(self) -> None:
        """Train the rolls, join them, analyse what is joined."""
        self._train_rolling_tasks()
        self._ens_rolling()
        self._update_rolling_rec()


def _check_parts(task: Mapping[str, Any], path: Path) -> None:
    dataset = task.get("dataset")
    kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
    missing = [name for name in ("handler", "segments") if name not in (kwargs or {})]
    if missing:
        raise TaskError(
            f"{path}: task.dataset.kwargs.{missing[0]} is missing: Rolling changes the label of "
            "the handler and the segments of a Qlib dataset; roll others with RollingGen"
        )
