"""What is logged reaches the store: in batches, in order, whole, without secrets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from tests.tracking.support import count_store_calls, own_params, run
from wf_dagster import R, init
from wf_dagster.errors import StoreError, TrackingError
from wf_dagster.tracking import heartbeat_thread, mlflow_recorder
from wf_dagster.tracking.log_buffer import Batch, LogBuffer
from wf_dagster.tracking.redaction import redacted, redacted_command
from wf_dagster.tracking.store import get_client


def _history(recorder, name):
    points = get_client().get_metric_history(recorder.id, name)
    return [(p.step, p.value) for p in sorted(points, key=lambda p: (p.timestamp, p.step))]


def test_a_whole_recorder_costs_four_store_calls(monkeypatch):
    with R.start(experiment_name="a"):
        pass
    calls = count_store_calls(monkeypatch, get_client())
    frame = pd.DataFrame({"score": np.arange(1000.0)})
    with R.start(experiment_name="a"):
        for i in range(40):
            R.log_params(**{f"p{i}": i})
        for i in range(10):
            R.log_metrics(**{f"m{i}": i})
        for i in range(5):
            R.set_tags(**{f"t{i}": i})
        R.save_objects(**{"a.pkl": frame, "b.pkl": frame, "c.pkl": frame})
    assert dict(+calls) == {
        "get_experiment_by_name": 1,
        "create_run": 1,
        "log_batch": 1,
        "update_run_info": 1,
    }


def test_metrics_of_a_loop_arrive_in_order_in_few_batches(monkeypatch):
    with R.start(experiment_name="a"):
        calls = count_store_calls(monkeypatch, get_client())
        for step in range(2500):
            R.log_metrics(step=step, loss=1 / (step + 1))
        recorder = R.get_recorder()
    assert calls["log_batch"] <= 5
    history = _history(recorder, "loss")
    assert [step for step, _ in history] == list(range(2500))
    assert recorder.list_metrics()["loss"] == 1 / 2500


def test_the_last_value_is_the_latest_even_within_a_millisecond():
    with R.start(experiment_name="a"):
        for value in (5.0, 9.0, 1.0, 3.0):
            R.log_metrics(m=value)
        recorder = R.get_recorder()
    assert recorder.list_metrics() == {"m": 3.0}
    assert [value for _, value in _history(recorder, "m")] == [5.0, 9.0, 1.0, 3.0]


def test_what_waits_is_written_every_few_seconds_without_being_asked(monkeypatch):
    monkeypatch.setattr(heartbeat_thread, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(mlflow_recorder, "FLUSH_SECONDS", 0.02)
    with R.start(experiment_name="a"):
        R.log_metrics(m=1.0)
        stored = {}
        deadline = time.monotonic() + 20
        while not stored:
            assert time.monotonic() < deadline
            stored = get_client().get_run(R.get_recorder().id).data.metrics
        assert stored == {"m": 1.0}


def test_a_recorder_that_is_not_running_writes_at_once():
    with R.start(experiment_name="a"):
        pass
    (recorder,) = R.list_recorders(experiment_name="a").values()
    recorder.set_tags(online="yes")
    assert get_client().get_run(recorder.id).data.tags["online"] == "yes"
    recorder.delete_tags("online")
    assert "online" not in recorder.list_tags()


class _Store:
    """Takes chunks, or fails as it is told."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.metrics = []
        self.params = {}

    def __call__(self, chunk, patience):
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            raise failure
        if "bad" in chunk.params:
            raise StoreError("it does not like bad")
        self.metrics += chunk.metrics
        self.params |= chunk.params


def _passing():
    error = StoreError("away")
    error.passes = True
    return error


def test_a_failed_flush_keeps_everything_in_order_for_the_next():
    store = _Store(None, _passing())
    buffer = LogBuffer(store)
    for step in range(2000):
        buffer.add_metrics({"m": step}, step)
    with pytest.raises(StoreError, match="away"):
        buffer.flush()
    assert len(store.metrics) + len(buffer) == 2000
    buffer.add_metrics({"m": 2000}, 2000)
    buffer.flush()
    assert [step for *_, step in store.metrics] == list(range(2001))
    assert len(buffer) == 0


def test_an_entry_that_is_refused_does_not_take_the_others_along():
    store = _Store()
    buffer = LogBuffer(store)
    buffer.add_params({"good": "1", "bad": "2", "fine": "3"})
    buffer.add_metrics({"m": 1.0}, 0)
    with pytest.raises(TrackingError, match=r"^bad not logged: it does not like bad"):
        buffer.flush()
    assert store.params == {"good": "1", "fine": "3"}
    assert len(store.metrics) == 1
    buffer.flush()  # told once


def test_a_search_does_not_tell_what_another_recorder_was_refused():
    with pytest.raises(TrackingError, match=r"^same not"), R.start(experiment_name="a"):  # noqa: PT012
        get_client().log_param(R.get_recorder().id, "same", "theirs")
        R.log_params(same="mine")
        assert len(R.list_recorders()) == 1


def test_tags_are_deleted_whether_they_were_written_or_still_wait():
    with R.start(experiment_name="a"):
        R.set_tags(a=1, b=2, c=3)
        R.get_recorder().flush()
        R.set_tags(d=4)
        R.delete_tags("a", "d")
        recorder = R.get_recorder()
        with pytest.raises(TrackingError, match="deleting a tag"):
            R.delete_tags("never set")
    assert {"a", "b", "c", "d"} & set(recorder.list_tags()) == {"b", "c"}


def test_chunks_keep_within_the_limits_of_one_request():
    batch = Batch(
        params={f"p{i}": "ä" * 6000 for i in range(250)},
        tags={f"t{i}": "x" * 8000 for i in range(150)},
        metrics=[("m", 1.0, i, i) for i in range(1700)],
    )
    chunks = list(batch.chunks())
    assert sum(len(c.params) for c in chunks) == 250
    assert sum(len(c.tags) for c in chunks) == 150
    assert [m for c in chunks for m in c.metrics] == batch.metrics
    for chunk in chunks:
        assert len(json.dumps([chunk.params, chunk.tags])) < 1_000_000
        assert len(chunk.params) <= 100
        assert len(chunk.tags) <= 100
        assert len(chunk.metrics) + len(chunk.params) + len(chunk.tags) <= 1000


def test_a_param_that_somebody_else_wrote_is_reported_at_the_end_and_nothing_else_is_lost():
    with (  # noqa: PT012
        pytest.raises(TrackingError, match=r"^same not logged"),
        R.start(experiment_name="a"),
    ):
        recorder = R.get_recorder()
        get_client().log_param(recorder.id, "same", "theirs")
        R.log_params(same="mine", other="kept")
        R.log_metrics(m=1.0)
    again = R.get_recorder(recorder_id=recorder.id)
    assert again.status == "FINISHED"
    assert own_params(again) == {"same": "theirs", "other": "kept"}
    assert again.list_metrics() == {"m": 1.0}


def test_a_param_is_written_once_and_the_error_says_what_to_use():
    with R.start(experiment_name="a"):
        R.log_params(x=1)
        R.log_params(x=1)
        with pytest.raises(TrackingError, match=r"'x'.*is '1'.*cannot become '2'.*set_tags"):
            R.log_params(x=2)
        assert own_params(R.get_recorder()) == {"x": "1"}


@pytest.mark.parametrize("odd", ["", "0,1", "fc(1)", "../x", "/x", "a//b", "x" * 251, "a\nb"])
def test_what_mlflow_takes_by_no_such_name_is_kept_in_files_and_named_in_the_log(odd, caplog):
    with R.start(experiment_name="a"):
        R.log_params(**{odd: 4, "plain": 1})
        R.log_params(**{odd: 4})
        R.log_metrics(step=0, **{odd: 0.5, "m": 1.0})
        R.log_metrics(step=1, **{odd: 0.25})
        R.set_tags(**{odd: "t", "tag": "x"})
        recorder = R.get_recorder()
    assert recorder.status == "FINISHED"
    assert own_params(recorder) == {"plain": "1"}
    assert recorder.list_metrics() == {"m": 1.0}
    assert odd not in recorder.list_tags()
    assert recorder.list_tags()["tag"] == "x"
    kept = {"params": "4", "metrics": [[0, 0.5], [1, 0.25]], "tags": "t"}
    for kind, value in kept.items():
        file = json.loads(recorder.load_object(f"{kind}_long.json", raw="bytes"))
        assert file == {odd: value}
    words = [r.getMessage() for r in caplog.records if "does not take by their names" in r.message]
    assert [word.split()[0] for word in words] == ["params", "metrics", "tags"]  # once each
    shown = odd if len(odd) <= 80 else odd[:80]
    assert all(repr(shown)[1:-1] in word for word in words)
    assert "params_long.json, not on its page" in words[0]


def test_a_param_of_an_odd_name_is_written_once_too_also_by_another_process():
    with R.start(experiment_name="a"):
        R.log_params(**{"0,1": 4})
        with pytest.raises(TrackingError, match=r"'0,1'.*is '4' and cannot become '5'"):
            R.log_params(**{"0,1": 5})
        recorder = R.get_recorder()
    again = R.get_recorder(recorder_id=recorder.id)
    with pytest.raises(TrackingError, match=r"'0,1'.*is '4' and cannot become '5'"):
        again.log_params(**{"0,1": 5})
    again.log_params(**{"0,1": 4, "a(b)": 2})
    file = json.loads(again.load_object("params_long.json", raw="bytes"))
    assert file == {"0,1": "4", "a(b)": "2"}


@pytest.mark.parametrize("step", ["a", 1.5, float("nan"), 2**63, [1]])
def test_a_step_that_is_no_whole_number_is_an_error_at_once_and_costs_no_other_metric(step):
    with R.start(experiment_name="a"):
        R.log_metrics(step=np.int64(3), kept=1.0)
        with pytest.raises(TrackingError, match=r"step .* is no whole number"):
            R.log_metrics(step=step, m=1.0)
        R.log_metrics(step=4.0, kept=2.0)
        recorder = R.get_recorder()
    assert _history(recorder, "kept") == [(3, 1.0), (4, 2.0)]


def test_a_metric_that_is_no_number_is_an_error_at_once():
    with R.start(experiment_name="a"), pytest.raises(TrackingError, match="'m' = 'high' is no num"):
        R.log_metrics(m="high")


def test_long_params_and_tags_are_kept_whole_beside_a_marked_cut():
    long = "".join(map(str, range(5000)))
    with R.start(experiment_name="a"):
        R.log_params(long=long, short="s")
        R.set_tags(wide=long)
        recorder = R.get_recorder()
    with R.start(experiment_name="a", recorder_id=recorder.id):
        R.log_params(second=long)
    params = recorder.list_params()
    recorder.reload()
    params = recorder.list_params()
    assert params["short"] == "s"
    assert len(params["long"]) == 6000
    assert params["long"].endswith("... (cut; whole in params_long.json)")
    assert long.startswith(params["long"].split("...")[0])
    whole = json.loads(recorder.load_object("params_long.json", raw="bytes"))
    assert whole == {"long": long, "second": long}
    assert json.loads(recorder.load_object("tags_long.json", raw="bytes")) == {"wide": long}


def test_tags_of_a_listing_are_read_without_further_requests(monkeypatch):
    for n in range(5):
        with R.start(experiment_name="a"):
            R.set_tags(n=n)
    calls = count_store_calls(monkeypatch, get_client())
    recorders = R.list_recorders(experiment_name="a").values()
    assert [r.list_tags()["n"] for r in recorders] == ["4", "3", "2", "1", "0"]
    assert dict(+calls) == {"get_experiment_by_name": 1, "search_runs": 1}


# the state of the code

STATE = """
with R.start(experiment_name="a"):
    one = R.get_recorder()
with R.start(experiment_name="a"):
    two = R.get_recorder()
print(one.id)
"""


def _repository(path):
    path.mkdir()
    for command in (
        "init -q .",
        "config user.email a@example.com",
        "config user.name a",
        "add -A",
    ):
        if command == "add -A":
            (path / "code.py").write_text("x = 1\n")
        subprocess.run(["git", *command.split()], cwd=path, check=True)
    subprocess.run(["git", "commit", "-qm", "one"], cwd=path, check=True)
    (path / "code.py").write_text('x = 2\npassword = "hunter2"\n')
    (path / "staged.py").write_text("y = 1\n")
    subprocess.run(["git", "add", "staged.py"], cwd=path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=path, capture_output=True, text=True)
    return head.stdout.strip()


@pytest.mark.integration
def test_the_state_of_the_code_is_recorded_inside_a_repository(tmp_path):
    commit = _repository(tmp_path / "code")
    done = run(STATE, "--api-key", "hunter2", "--epochs=3", cwd=tmp_path / "code")
    for recorder in R.list_recorders(experiment_name="a").values():
        texts = {
            name: recorder.load_object(name, raw="bytes").decode()
            for name in ("code_diff.txt", "code_status.txt", "code_cached.txt")
        }
        assert "+x = 2" in texts["code_diff.txt"]
        assert "+y = 1" in texts["code_cached.txt"]
        assert "code.py" in texts["code_status.txt"]
        tags = recorder.list_tags()
        assert tags["mlflow.source.git.commit"] == commit
        assert tags["cmd-sys.argv"] == "-c --api-key *** --epochs=3"
        assert "hunter2" not in str(texts) + str(tags)
    assert done.returncode == 0, done.err


@pytest.mark.integration
def test_outside_of_a_repository_git_is_asked_once_a_process_and_nothing_is_recorded(tmp_path):
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    git.write_text(f'#!/bin/sh\necho "$@" >> "$ASKED"\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    path = f"{git.parent}:{os.environ['PATH']}"
    done = run(STATE, cwd=tmp_path, PATH=path, ASKED=str(tmp_path / "asked"))
    assert (tmp_path / "asked").read_text() == "rev-parse HEAD\n"
    recorder = R.get_recorder(recorder_id=done.out.strip())
    assert recorder.list_artifacts() == []
    assert "mlflow.source.git.commit" not in recorder.list_tags()
    assert "git" not in done.err


def test_of_the_environment_only_what_is_allowed_is_recorded(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MY_STUDY", "seven")
    monkeypatch.setenv("OTHER", "not to be seen")
    monkeypatch.setenv("MY_SECRET_TOKEN", "hunter2")
    init(log_env="MY_STUDY,MY_SECRET_TOKEN")
    with R.start(experiment_name="a"):
        tags = R.get_recorder().list_tags()
    assert (tags["env.OMP_NUM_THREADS"], tags["env.MY_STUDY"]) == ("3", "seven")
    assert "not to be seen" not in str(tags)
    assert "hunter2" not in str(tags)


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD=hunter2",
        'api_key: "hunter2"',
        '{"clientSecret": "hunter2"}',
        "postgresql://me:hunter2@host/db",
        "Authorization: Bearer hunter2",
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "+    token = 'hunter2'",
    ],
)
def test_what_looks_like_a_secret_is_masked(text):
    assert "hunter2" not in redacted(text)
    assert "***" in redacted(text)


@pytest.mark.parametrize(
    "shape",
    ["AKIA" + "A" * 16, "ghp_" + "a" * 36, "sk-" + "a" * 40, "xoxb-" + "1" * 12, "hf_" + "a" * 30],
)
def test_what_has_the_shape_of_a_key_is_masked_wherever_it_stands(shape):
    assert shape not in redacted(f"see {shape} there")


def test_plain_text_is_left_alone():
    text = "python train.py --epochs 3 --lr=0.1 --tokenizer bert path/to/keys.txt"
    assert redacted(text) == text
    assert redacted_command(text.split()) == text
    assert redacted_command(["x", "--password", "-hunter2"]) == "x --password ***"


def test_going_on_from_another_command_line_loses_nothing(monkeypatch):
    import sys

    from wf_dagster.tracking import code_state

    with R.start(experiment_name="a"):
        recorder = R.get_recorder()
    monkeypatch.setattr(sys, "argv", ["another.py", "--flag"])
    code_state.code_state.cache_clear()
    with R.start(experiment_name="a", recorder_id=recorder.id, resume=True):
        R.log_metrics(m=1.0)
        R.set_tags(t=1)
    code_state.code_state.cache_clear()
    recorder.reload()
    assert recorder.list_metrics() == {"m": 1.0}
    assert recorder.list_tags()["t"] == "1"
    assert recorder.list_tags()["cmd-sys.argv"] == "another.py --flag"
    assert recorder.status == "FINISHED"
