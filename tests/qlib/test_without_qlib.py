"""Where pyqlib is not installed, the message says how to install it."""

from __future__ import annotations

import sys

import pytest

from tests.qlib.qlib_tasks import ridge, seeded_template
from tests.support import roll
from wf_dagster import R, TaskError, task_train, train_rolls
from wf_dagster.tasks import validate_task


@pytest.fixture(autouse=True)
def without_qlib(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "qlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "qlib", None)


def test_a_task_that_names_qlib_says_which_extra():
    with pytest.raises(TaskError, match=r'Qlib.*pip install "wf-dagster\[qlib\]"'):
        task_train(seeded_template(ridge()), "none")
    assert "none" not in R.list_experiments()


def test_a_check_of_the_task_says_which_extra():
    with pytest.raises(TaskError, match=r"model.class.*wf-dagster\[qlib\]"):
        validate_task(seeded_template(ridge()), resolve=True)


def test_other_tasks_train_as_ever():
    (outcome,) = train_rolls([roll("2020-03-01")], "plain")
    assert outcome.ok
