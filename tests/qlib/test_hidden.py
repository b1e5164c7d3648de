"""Under a replay date Qlib's data end with it: a model trained then is the one of that day."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib, make_handler
from tests.qlib.provider import grow, seeded_panel
from tests.qlib.qlib_tasks import (
    LEARN,
    RECORDS,
    SEEDED,
    few_expressions,
    growing_template,
    ridge,
    task,
)
from wf_dagster import OnlineToolR, task_train
from wf_dagster.market import Market

THEN = "2019-10-16"
LATER = pd.Timestamp(THEN) + pd.offsets.BDay(5)
KNOWN = ("2019-10-01", "2019-10-02")  # ends of train, and starts of test
UNKNOWN = ("2019-10-15", THEN)  # the last label of train is not known at that date


def early(split: tuple[str, str] = KNOWN, test_end: str | None = None, n_records: int = 2) -> dict:
    """Trained and tested around the replay date."""
    handler = few_expressions("2019-02-01", None, SEEDED["train"])
    segments = {"train": ("2019-03-01", split[0]), "test": (split[1], test_end)}
    return task(ridge(), handler, segments, RECORDS[:n_records])


@pytest.mark.parametrize("test_end", [None, "2020-06-30"])
@pytest.mark.parametrize(("split", "unlabelled"), [(KNOWN, 2), (UNKNOWN, 1)])
def test_a_task_trained_as_of_a_date_is_the_one_trained_at_that_date(
    split, unlabelled, test_end, tmp_path
):
    n_records = 2 if split is KNOWN else 1  # there is no IC without labels
    definition = early(split, test_end, n_records)
    wf_dagster.init(qlib_provider_uri=str(grow(tmp_path / "then", THEN)))
    expected = task_train(definition, "then")
    wf_dagster.init(qlib_provider_uri=str(grow(tmp_path / "whole")))
    now = task_train(definition, "now")  # what is in the cache is not of that date
    as_of_then = task_train(definition, "shown", market=Market(as_of=THEN))
    for name in ("pred.pkl", "label.pkl", "sig_analysis/ic.pkl")[: n_records + 1]:
        assert as_of_then.load_object(name).equals(expected.load_object(name)), name
    assert (
        as_of_then.load_object("label.pkl").isna().groupby("datetime").all().sum().item()
        == unlabelled
    )
    coefficients = [
        recorder.load_object("params.pkl").coef_ for recorder in (as_of_then, expected, now)
    ]
    assert (coefficients[0] == coefficients[1]).all()
    assert (coefficients[0] == coefficients[2]).all() == (split is KNOWN)


def test_an_update_as_of_a_date_knows_no_later_label(tmp_path):
    folder = grow(tmp_path / "q", THEN)
    wf_dagster.init(qlib_provider_uri=str(folder))
    recorder = task_train(early(), "updated")
    grow(folder)
    tool = OnlineToolR("updated")
    tool.reset_online_tag(recorder)
    tool = tool.on(Market(as_of=LATER))
    tool.update_online_pred()
    tool.update_online_label()
    pred, label = recorder.load_object("pred.pkl"), recorder.load_object("label.pkl")
    assert pred.index[-1][0] == label.index[-1][0] == LATER
    last_labelled = label.dropna().index.get_level_values("datetime").max()
    assert len(pd.bdate_range(last_labelled, LATER)) == 3  # a label looks two sessions ahead


def static(file: Path) -> dict:
    """A handler on a file, which does not say what looks ahead."""
    prices = seeded_panel()
    columns = {("feature", "MOM"): prices["close"], ("label", "LABEL0"): prices["open"]}
    pd.concat(columns, axis=1).to_pickle(file)
    return {
        "class": "DataHandlerLP",
        "module_path": "qlib.data.dataset.handler",
        "kwargs": {
            "data_loader": {
                "class": "StaticDataLoader",
                "module_path": "qlib.data.dataset.loader",
                "kwargs": {"config": str(file)},
            },
            "learn_processors": LEARN,
        },
    }


def test_of_another_loader_later_rows_are_hidden_and_the_rest_is_said(tmp_path, caplog):
    wf_dagster.init(qlib_provider_uri=str(grow(tmp_path / "q")))
    definition = early(n_records=1)
    definition["dataset"]["kwargs"]["handler"] = static(tmp_path / "rows.pkl")
    with caplog.at_level(logging.WARNING):
        recorder = task_train(definition, "static", market=Market(as_of=THEN))
    assert recorder.load_object("pred.pkl").index[-1][0] == pd.Timestamp(THEN)
    assert "StaticDataLoader does not say which of its columns look ahead" in caplog.text


def test_a_dataset_that_loads_by_itself_is_named(tmp_path, caplog):
    import pickle

    wf_dagster.init(qlib_provider_uri=str(grow(tmp_path / "q")))
    initialise_qlib()
    definition = growing_template(ridge())
    make_handler(definition["dataset"]["kwargs"]["handler"], Market(as_of="2020-06-30"))
    assert "hides none" not in caplog.text
    handler = make_handler(definition["dataset"]["kwargs"]["handler"])
    handler.config(dump_all=True)
    (tmp_path / "handler.pkl").write_bytes(pickle.dumps(handler))
    definition["dataset"]["kwargs"]["handler"] = f"file://{tmp_path}/handler.pkl"
    with caplog.at_level(logging.WARNING):
        task_train(definition, "pickle", market=Market(as_of="2020-06-30"))
    assert "DatasetH loads its data by itself: the replay date 2020-06-30 hides none" in caplog.text
