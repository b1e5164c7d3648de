"""From SCHEDULED to FINISHED or FAILED, whatever ends the block or the process."""

from __future__ import annotations

import ast
import signal
import sys
import threading

import pytest

from tests.tracking.support import own_params, run_forked, script
from wf_dagster import R
from wf_dagster.errors import TrackingError
from wf_dagster.tracking.store import get_client


def _stored(recorder_id):
    return get_client().get_run(recorder_id).info.status


def _only(experiment="a"):
    (recorder,) = R.list_recorders(experiment_name=experiment).values()
    return recorder


def test_scheduled_then_running_then_finished():
    recorder = R.get_exp(experiment_name="a").create_recorder("x")
    assert _stored(recorder.id) == recorder.status == "SCHEDULED"
    recorder.start_run()
    assert _stored(recorder.id) == recorder.status == "RUNNING"
    assert recorder.end_time is None
    recorder.end_run()
    assert _stored(recorder.id) == recorder.status == "FINISHED"
    assert recorder.end_time is not None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no luck"),
        KeyboardInterrupt(),
        SystemExit(1),
        SystemExit("told"),
        GeneratorExit(),
    ],
    ids=repr,
)
def test_an_exception_marks_failed_and_goes_on_unchanged(error):
    with pytest.raises(type(error)) as caught, R.start(experiment_name="a"):  # noqa: PT012
        recorder = R.get_recorder()
        R.log_metrics(kept=1.0)
        raise error
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert _stored(recorder.id) == "FAILED"
    assert type(error).__name__ in recorder.list_tags()["wf_failure"]
    assert recorder.list_metrics() == {"kept": 1.0}


@pytest.mark.parametrize("code", [None, 0])
def test_an_exit_without_error_is_no_failure(code):
    with pytest.raises(SystemExit), R.start(experiment_name="a"):
        raise SystemExit(code)
    assert _only().status == "FINISHED"
    assert "wf_failure" not in _only().list_tags()


def test_going_on_with_a_failed_one_forgets_the_failure():
    with pytest.raises(ValueError, match="no luck"), R.start(experiment_name="a"):  # noqa: PT012
        recorder = R.get_recorder()
        raise ValueError("no luck")
    with R.start(experiment_name="a", recorder_id=recorder.id, resume=True):
        assert R.get_recorder() == recorder
        assert R.get_recorder().info["end_time"] is None
        R.log_params(second=2)
    again = R.get_recorder(recorder_id=recorder.id)
    assert again.status == "FINISHED"
    assert "wf_failure" not in again.list_tags()
    assert own_params(again) == {"second": "2"}


def test_resume_by_name_goes_on_with_the_latest_and_makes_one_if_there_is_none():
    with R.start(experiment_name="a", recorder_name="x", resume=True):
        first = R.get_recorder()
    with R.start(experiment_name="a", recorder_name="x", resume=True):
        assert R.get_recorder() == first
    with R.start(experiment_name="a", recorder_name="x"):
        assert R.get_recorder() != first


def test_an_unknown_status_is_refused():
    R.start_exp(experiment_name="a")
    with pytest.raises(TrackingError, match=r"'DONE' is unknown.*FINISHED"):
        R.get_recorder().end_run("DONE")
    with pytest.raises(TrackingError, match=r"'DONE' is unknown.*FINISHED"):
        R.end_exp("DONE")
    assert R.get_recorder().status == "RUNNING"
    R.end_exp("FINISHED")


def test_a_failing_end_leaves_no_outer_recorder_running():
    with pytest.raises(TrackingError, match=r"^a not logged"), R.start(experiment_name="a"):  # noqa: PT012
        outer = R.get_recorder()
        R.start_exp(experiment_name="a")
        inner = R.get_recorder()
        get_client().log_param(inner.id, "a", "somebody else's")
        R.log_params(a=1)
    assert (_stored(inner.id), _stored(outer.id)) == ("FINISHED", "FINISHED")


def test_a_recorder_is_taken_up_by_its_id_alone():
    with R.start(experiment_name="a"):
        first = R.get_recorder()
    with R.start(recorder_id=first.id) as experiment:
        assert R.get_recorder() == first
        assert experiment.name == "a"
    assert "Experiment" not in R.list_experiments()


def test_logging_without_a_start_starts_one_in_the_default_experiment(caplog):
    R.log_params(a=1)
    R.set_tags(b=2)
    recorder = R.get_recorder()
    assert "no recorder was active" in caplog.text
    R.end_exp()
    assert recorder.experiment_id == R.get_exp(experiment_name="Experiment").id
    assert own_params(recorder) == {"a": "1"}
    assert recorder.list_tags()["b"] == "2"


OPEN = 'R.start_exp(experiment_name="{name}"); R.log_metrics(m=1.0)\n'
ENDINGS = {  # what a script does after start_exp; status and exit code
    "end": ("", "FINISHED", 0),
    "exit": ("sys.exit(0)", "FINISHED", 0),
    "exit with a code": ("sys.exit(3)", "FAILED", 3),
    "exit inside a block": ("with R.start(experiment_name='z'): raise SystemExit(3)", "FAILED", 3),
    "exit caught, then another start": (
        "try: sys.exit(3)\nexcept SystemExit: R.start_exp(experiment_name='z')",
        "FINISHED",
        0,
    ),
    "error": ("1 / 0", "FAILED", 1),
    "Ctrl-C": ("raise KeyboardInterrupt", "FAILED", -signal.SIGINT),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", "FAILED", 143),
    "an error caught": ("try: 1 / 0\nexcept ZeroDivisionError: pass", "FINISHED", 0),
    "ended before the error": ("R.end_exp(); 1 / 0", "FINISHED", 1),
}
IN_THREAD = """
import threading
def work():
    R.start_exp(experiment_name="thread"); R.log_metrics(m=1.0); 1 / 0
thread = threading.Thread(target=work); thread.start(); thread.join()
"""
IN_MULTIPROCESSING = """
import multiprocessing
def work(name, divisor):
    R.start_exp(experiment_name=name); R.log_metrics(m=1.0); 1 / divisor
fork = multiprocessing.get_context("fork")
both = [fork.Process(target=work, args=(f"multi{d}", d)) for d in (0, 1)]
[p.start() for p in both]; [p.join() for p in both]
"""


@pytest.mark.integration
def test_the_end_of_the_process_ends_what_was_left_open():
    codes = {name: OPEN.format(name=name) + code for name, (code, *_) in ENDINGS.items()}
    codes |= {"Experiment": "R.log_metrics(m=1.0)", "thread": IN_THREAD, "-": IN_MULTIPROCESSING}
    done = run_forked(codes)
    statuses = {name: status for name, (_, status, _) in ENDINGS.items()}
    statuses |= {"Experiment": "FINISHED", "thread": "FAILED"}
    statuses |= {"multi0": "FAILED", "multi1": "FINISHED"}
    recorders = {name: _only(name) for name in statuses}
    assert {name: r.status for name, r in recorders.items()} == statuses, done.err
    for recorder in recorders.values():
        assert recorder.list_metrics() == {"m": 1.0}
        assert ("wf_failure" in recorder.list_tags()) == (recorder.status == "FAILED")
    exits = {name: code for name, (*_, code) in ENDINGS.items()}
    assert done.ends == {**exits, "Experiment": 0, "thread": 0, "-": 0}


BLOCK = """
with R.start(experiment_name="a"):
    R.log_metrics(m=1.0)
    try:
        print("in", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
"""


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_marks_failed_and_lets_the_script_clean_up(number):
    process = script(BLOCK)
    assert process.stdout.readline() == "in\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert out == "cleaned up\n"
    assert process.returncode != 0
    assert _only().status == "FAILED"
    assert _only().list_metrics() == {"m": 1.0}


def test_the_signal_is_left_alone_before_and_after_and_if_somebody_handles_it():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a Dagster run in this process has set its own
    with R.start(experiment_name="a"):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def own(*_):
        pass

    signal.signal(signal.SIGTERM, own)
    try:
        with R.start(experiment_name="a"):
            assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_the_hooks_are_put_back_when_the_last_recorder_has_ended():
    before = (sys.exit, threading.excepthook)
    R.start_exp(experiment_name="a")
    with R.start(experiment_name="a"):
        during = (sys.exit, threading.excepthook)
        assert not set(during) & set(before)
    assert (sys.exit, threading.excepthook) == during  # the outer one runs
    R.end_exp("FINISHED")
    assert (sys.exit, threading.excepthook) == before


def test_an_unknown_keyword_of_a_start_is_refused_with_those_that_there_are():
    experiment = R.get_exp(experiment_name="a")
    with pytest.raises(TypeError, match=r"'nmae': it takes .*recorder_name.*experiment_name"):
        R.start_exp(nmae="x")
    with pytest.raises(TypeError, match="'experiment_name'"):
        experiment.start(experiment_name="b")
    assert experiment.list_recorders() == {}


def test_a_recorder_started_and_ended_in_a_thread():
    def work():
        with R.start(experiment_name="a"):
            R.log_params(a=1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert _only().status == "FINISHED"


def test_the_command_line_is_a_param_as_in_qlib_and_stays_that_of_the_first_process():
    code = (
        "name, again = sys.argv[1:3]\n"
        "with R.start(experiment_name='a', recorder_name=name, resume=bool(again)): pass\n"
        "print(R.get_recorder(recorder_name=name, experiment_name='a').list_params())"
    )
    first = script(code, "x", "", "--token=hidden-one", _QLIB_KIND="trial")
    out, err = first.communicate(timeout=120)
    params = ast.literal_eval(out)
    assert params == {"cmd-sys.argv": "-c x  --token=***", "_QLIB_KIND": "trial"}, err
    second = script(code, "x", "again")
    out, err = second.communicate(timeout=120)
    assert ast.literal_eval(out) == params, err
