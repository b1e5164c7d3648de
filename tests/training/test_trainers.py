"""Lists of tasks in, recorders in the same order out, whichever trainer does it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from tests.support import task_of
from wf_dagster import (
    DelayTrainerR,
    DelayTrainerRM,
    R,
    TaskManager,
    Trainer,
    TrainerR,
    TrainerRM,
    begin_task_train,
    end_task_train,
    init,
    task_train,
)
from wf_dagster.errors import TaskError, TrainingError
from wf_dagster.models import SklearnModel
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import find_recorders

MONTHS = ("2020-03-01", "2020-01-01", "2020-02-01")
AT_ONCE = [TrainerR, TrainerRM]
DELAYED = [DelayTrainerR, DelayTrainerRM]


def _named(recorders):
    return [recorder.list_tags()["fingerprint"] for recorder in recorders]


@pytest.mark.parametrize("kind", [*AT_ONCE, *DELAYED])
def test_recorders_come_in_the_order_of_their_tasks(kind):
    tasks = [task_of(month) for month in MONTHS]
    recorders = kind("experiment")(tasks)
    assert _named(recorders) == [fingerprint(task) for task in tasks]
    for recorder, month in zip(recorders, MONTHS, strict=True):
        assert recorder.info["status"] == "FINISHED"
        assert recorder.list_tags()["train_status"] == "end_task_train"
        days = recorder.load_object("pred.pkl").index.get_level_values("datetime")
        assert days.strftime("%Y-%m-01").unique().tolist() == [month]
    assert len(find_recorders("experiment", status=None)) == 3


@pytest.mark.parametrize("kind", AT_ONCE)
def test_the_first_step_trains(kind):
    trainer = kind("experiment")
    (recorder,) = trainer.train(task_of(MONTHS[0]))
    assert not trainer.is_delay()
    assert recorder.info["status"] == "FINISHED"
    assert recorder.list_tags()["train_status"] == "begin_task_train"


@pytest.mark.parametrize("kind", DELAYED)
def test_what_was_never_trained_does_not_say_finished(kind):
    trainer = kind("experiment")
    (recorder,) = trainer.train(task_of(MONTHS[0]))
    assert trainer.is_delay()
    assert recorder.info["status"] == "SCHEDULED"
    assert recorder.info["end_time"] is None
    assert recorder.load_object("task") == task_of(MONTHS[0])
    assert find_recorders("experiment") == []  # nobody collects it

    (trained,) = trainer.end_train(recorder)
    assert trained == recorder
    assert trained.info["status"] == "FINISHED"
    assert len(trained.load_object("pred.pkl")) > 0


@pytest.mark.parametrize("kind", DELAYED)
def test_ending_twice_trains_once(kind):
    trainer = kind("experiment")
    recorders = trainer.train([task_of(MONTHS[0])])
    (first,) = trainer.end_train(recorders)
    trained = first.info["end_time"], first.list_metrics()
    (again,) = trainer.end_train(recorders)
    found = R.get_recorder(recorder_id=again.id)
    assert (found.info["end_time"], found.list_metrics()) == trained


@pytest.mark.parametrize("kind", [TrainerR, TrainerRM])
def test_a_task_that_fails_does_not_stop_the_others(kind):
    tasks = [task_of(MONTHS[0]), task_of(MONTHS[1], fail="raise"), task_of(MONTHS[2])]
    with pytest.raises(TrainingError, match=r"1 of 3 tasks.*\n- task 1.*no luck") as caught:
        kind("experiment").train(tasks)
    first, failed, last = caught.value.trained
    assert failed is None
    assert _named([first, last]) == [fingerprint(tasks[0]), fingerprint(tasks[2])]


def test_a_malformed_task_is_named_before_any_is_trained():
    tasks = [task_of(MONTHS[0]), {"model": "wf_dagster.models.SklearnModel"}]
    with pytest.raises(TaskError, match="task 1 of 2: dataset is missing"):
        TrainerR("experiment").train(tasks)
    with pytest.raises(TaskError, match="task 1 of 2: dataset is missing"):
        TrainerRM("experiment").train(tasks)
    assert "experiment" not in R.list_experiments()
    assert TaskManager.list() == []


@pytest.mark.parametrize("kind", [*AT_ONCE, *DELAYED])
def test_no_task_is_no_work(kind):
    trainer = kind("experiment")
    assert trainer([]) == []
    assert set(R.list_experiments()) <= {"Default"}  # MLflow's own


def test_a_function_of_ones_own_is_called_with_the_trainers_experiment():
    calls = []

    def mine(task, experiment_name, recorder_name=None, note=""):
        calls.append((experiment_name, recorder_name, note))
        with R.start(experiment_name=experiment_name, recorder_name=recorder_name):
            return R.get_recorder()

    TrainerR("experiment", mine, default_rec_name="r").train([task_of(MONTHS[0])], note="x")
    TrainerRM("experiment", "pool", mine, default_rec_name="r").train([task_of(MONTHS[0])])
    assert calls == [("experiment", "r", "x"), ("experiment", "r", "")]


def test_another_experiment_can_be_given_to_the_call():
    TrainerR("experiment").train([task_of(MONTHS[0])], experiment_name="other")
    assert set(R.list_experiments()) - {"Default"} == {"other"}


def test_what_a_function_of_its_own_takes_is_no_task():
    def log_number(task, experiment_name, **_):
        with R.start(experiment_name=experiment_name):
            R.log_metrics(number=task["number"])
            return R.get_recorder()

    recorders = TrainerR("own", train_func=log_number)([{"number": 1}, {"number": 2}])
    assert [recorder.list_metrics()["number"] for recorder in recorders] == [1, 2]


def test_each_task_can_have_a_process_of_its_own():
    trainer = TrainerR("experiment", train_func=process_of, call_in_subproc=True)
    recorders = trainer.train([task_of(MONTHS[0]), task_of(MONTHS[1])])
    import os

    seen = {recorder.list_tags()["pid"] for recorder in recorders}
    assert len(seen) == 2
    assert str(os.getpid()) not in seen


def process_of(task, experiment_name, recorder_name=None):
    import os

    with R.start(experiment_name=experiment_name, recorder_name=recorder_name):
        R.set_tags(pid=os.getpid())
        return R.get_recorder()


def test_the_pool_is_asked_for_each_task_once():
    tasks = [task_of(month) for month in MONTHS[:2]]
    first = TrainerRM("experiment", "pool")(tasks)
    again = TrainerRM("experiment", "pool")([*reversed(tasks), tasks[0]])
    assert [recorder.id for recorder in again] == [first[1].id, first[0].id, first[0].id]
    assert len(find_recorders("experiment", status=None)) == 2
    ids = {task["_id"] for task in TaskManager("pool").query()}
    assert {recorder.list_tags()["_id in TaskManager"] for recorder in first} == ids


@pytest.mark.parametrize("kind", [TrainerRM, DelayTrainerRM])
def test_a_task_whose_recorder_was_deleted_is_trained_again(kind):
    tasks = [task_of(month) for month in MONTHS[:2]]
    kept, deleted = kind("experiment").train(tasks)
    R.delete_recorder(recorder_id=deleted.id)
    first, second = kind("experiment")(tasks)
    assert first == kept
    assert second != deleted
    assert [r.info["status"] for r in (first, second)] == ["FINISHED"] * 2


def test_only_a_recorder_of_a_pool_can_be_finished_through_it():
    (recorder,) = DelayTrainerR("experiment").train(task_of(MONTHS[0]))
    with pytest.raises(TrainingError, match="_id in TaskManager"):
        DelayTrainerRM("experiment").end_train(recorder)


def test_a_task_is_begun_here_and_ended_there():
    recorder = begin_task_train(task_of(MONTHS[0]), "experiment", "name")
    ended = end_task_train(R.get_recorder(recorder_id=recorder.id), "experiment")
    whole = task_train(task_of(MONTHS[0]), "experiment", "name")
    assert ended.id == recorder.id
    assert ended.info["name"] == "name"
    assert ended.load_object("pred.pkl").equals(whole.load_object("pred.pkl"))
    assert ended.list_params() == whole.list_params()


def test_a_reweighter_goes_to_a_model_that_takes_one(caplog):
    task = task_of(MONTHS[0])
    task["reweighter"] = {"weights": "later"}
    with pytest.raises(TaskError, match=r"reweighter is \{'weights': 'later'\}: use an object"):
        task_train(task, "experiment")
    task["model"] = {"class": "Deaf", "module_path": "tests.training.test_trainers"}
    assert task_train(task, "experiment").info["status"] == "FINISHED"
    assert "Deaf.fit takes no 'reweighter': it is left out" in caplog.text
    task["model"] = {"class": "Weighing", "module_path": "tests.training.test_trainers"}
    recorder = task_train(task, "experiment")
    assert recorder.load_object("params.pkl").reweighter == {"weights": "later"}


def rising(data, first=1.0):
    return np.arange(first, first + len(data))


@pytest.mark.parametrize("named", [rising, "tests.training.test_trainers.rising"])
def test_a_task_s_function_weighs_the_rows_of_its_model(named):
    recorder = task_train({**task_of(MONTHS[0]), "reweighter": named}, "experiment")
    data = recorder.load_object("dataset")
    rows = data.prepare("train", data_key="learn").dropna()
    plain = Ridge(alpha=1.0).fit(
        rows["feature"].to_numpy(), rows["label"].to_numpy()[:, 0], rising(rows)
    )
    wanted = plain.predict(data.prepare("test", "feature").to_numpy())
    np.testing.assert_allclose(recorder.load_object("pred.pkl")["score"].to_numpy(), wanted)


def test_a_reweighter_that_cannot_be_found_is_refused_before_anything_is_recorded():
    with pytest.raises(TaskError, match=r"reweighter: .*has no 'risng'; did you mean 'rising'"):
        task_train(
            {**task_of(MONTHS[0]), "reweighter": "tests.training.test_trainers.risng"}, "new"
        )
    assert "new" not in R.list_experiments()


class Layered(SklearnModel):
    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden


def test_arguments_whose_keys_mlflow_does_not_take_are_kept_and_training_goes_on(caplog):
    task = task_of(MONTHS[0])
    hidden = {"0,1": 4, "fc(1)": 2, "x" * 300: 1, "plain": 3}
    task["model"] = {"class": Layered, "kwargs": {"hidden": hidden}}
    recorder = task_train(task, "experiment")
    assert recorder.status == "FINISHED"
    assert recorder.list_params()["model.kwargs.hidden.plain"] == "3"
    kept = json.loads(recorder.load_object("params_long.json", raw="bytes"))
    wanted = {f"model.kwargs.hidden.{key}": str(n) for key, n in hidden.items() if key != "plain"}
    assert wanted.items() <= kept.items()
    assert "'model.kwargs.hidden.0,1', 'model.kwargs.hidden.fc(1)', 'model.kw" in caplog.text
    assert recorder.load_object("task")["model"]["kwargs"]["hidden"] == hidden


class Deaf:
    def fit(self, dataset):
        pass

    def predict(self, dataset, segment="test"):
        return dataset.prepare(segment, col_set="feature").iloc[:, 0]


class Weighing:
    def fit(self, dataset, reweighter=None):
        self.reweighter = reweighter

    def predict(self, dataset, segment="test"):
        return dataset.prepare(segment, col_set="feature").iloc[:, 0]


def test_a_trainer_without_workers_says_so():
    assert not TrainerR("experiment").has_worker()
    with pytest.raises(TrainingError, match="TrainerRM"):
        Trainer().worker()


@pytest.mark.parametrize("workers", [1, 2])
def test_delayed_tasks_are_left_to_a_worker(workers, tmp_path):
    init(home=tmp_path, max_workers=workers)
    trainer = DelayTrainerRM("experiment", skip_run_task=True)
    recorders = trainer.train([task_of(MONTHS[0]), task_of(MONTHS[1])])
    assert TaskManager("experiment").task_stat() == {"part_done": 2}
    assert trainer.has_worker()
    trainer.worker()
    assert TaskManager("experiment").task_stat() == {"done": 2}
    assert [r.info["status"] for r in trainer.end_train(recorders)] == ["FINISHED"] * 2


def test_params_show_dates_as_they_are_written():
    task = task_of(MONTHS[0])
    task["dataset"]["kwargs"]["segments"]["test"] = (pd.Timestamp("2020-03-02"), None)
    params = begin_task_train(task, "experiment").list_params()
    assert params["dataset.kwargs.segments.test"] == "('2020-03-02', None)"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"record": {"class": "SignalRecord", "kwargs": {"model": "<MODLE>"}}}, "record.kwargs.mo"),
        (
            {"record": [{"class": "SigAnaRecord", "kwargs": {"no": 1}}]},
            "record.0.kwargs.no: SigAna",
        ),
        ({"dataset": {"no": 1}}, "dataset.kwargs.no: PanelDa"),
        ({"dataset": {"features": "wf_dagster.data.features.no"}}, "dataset.kwargs.features: "),
    ],
)
def test_what_fails_late_is_named_with_its_path_too(change, path):
    task = task_of(MONTHS[0])
    task["dataset"]["kwargs"] |= change.get("dataset", {})
    records = change.get("record", [])
    for record in [records] if isinstance(records, dict) else records:
        record["module_path"] = "wf_dagster.records"
    with pytest.raises(TaskError, match=rf"^{path}"):
        task_train({**task, "record": records}, "experiment")
