"""What a task names wrongly is said with its place and the remedy, all of it at once."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from tests.support import task_of
from wf_dagster.errors import TaskError
from wf_dagster.tasks.named_parts import check_parts, find_part_mistakes
from wf_dagster.tasks.signature_book import SignatureBook


def changed(**values: Any) -> dict[str, Any]:
    """The task of tests with values put in, by their paths with ``__`` for the dots."""
    task = copy.deepcopy(task_of("2020-03-02"))
    for path, value in values.items():
        *above, last = path.split("__")
        place: Any = task
        for key in above:
            place = place[int(key) if isinstance(place, list) else key]
        place[int(last) if isinstance(place, list) else last] = value
    return task


def mistakes(task: dict[str, Any]) -> list[str]:
    return [str(error) for error in find_part_mistakes(task, SignatureBook().look_up)]


PROCESSORS = "dataset__kwargs__infer_processors"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "module": (
        {"model": "wf_dagstr.models.SklearnModel"},
        "model: module 'wf_dagstr.models' cannot be imported: No module named 'wf_dagstr'",
    ),
    "class": (
        {"dataset__class": "PanelDatset"},
        "dataset.class: module 'wf_dagster.data' has no 'PanelDatset'; did you mean "
        "'PanelDataset'?",
    ),
    "argument": (
        {"dataset__kwargs__feature": ["a"]},
        "dataset.kwargs.feature: PanelDataset takes no 'feature'; did you mean 'features'?",
    ),
    "argument of an estimator": (
        {"model__kwargs": {"estimator": "sklearn.linear_model.Ridge", "alhpa": 1.0}},
        "model.kwargs.alhpa: Ridge takes no 'alhpa'; did you mean 'alpha'?",
    ),
    "estimator": (
        {"model__kwargs": {"estimator": "sklearn.linear_model.Rigde"}},
        "model.kwargs.estimator: module 'sklearn.linear_model' has no 'Rigde'; did you mean "
        "'Ridge'?",
    ),
    "no estimator": (
        {"model__kwargs": {"estimator": "sklearn.preprocessing.StandardScaler"}},
        "model.kwargs.estimator: StandardScaler has no predict: an estimator needs fit and predict",
    ),
    "step of a pipeline": (
        {
            "model__kwargs": {
                "estimator": {
                    "class": "sklearn.pipeline.Pipeline",
                    "kwargs": {
                        "steps": [
                            ["ridge", {"class": "sklearn.linear_model.Ridge", "kwargs": {"a": 1}}]
                        ]
                    },
                }
            }
        },
        "model.kwargs.estimator.kwargs.steps.0.1.kwargs.a: Ridge takes no 'a'; it takes alpha, ",
    ),
    "function": (
        {"dataset__kwargs__features": "wf_dagster.data.features.price_featrues"},
        "dataset.kwargs.features: module 'wf_dagster.data.features' has no 'price_featrues'; did "
        "you mean 'price_features'?",
    ),
    "argument of a function": (
        {
            "dataset__kwargs__label": {
                "func": "wf_dagster.data.labels.forward_return",
                "kwargs": {"horizn": 5},
            }
        },
        "dataset.kwargs.label.kwargs.horizn: forward_return takes no 'horizn'; did you mean "
        "'horizon'?",
    ),
    "function among several": (
        {"dataset__kwargs__features": ["wf_dagster.data.features.price_features", "nowhere.f"]},
        "dataset.kwargs.features.1: module 'nowhere' cannot be imported",
    ),
    "bare processor": (
        {PROCESSORS: ["CSZScoreNrom"]},
        "dataset.kwargs.infer_processors.0: module 'wf_dagster.data.processors' has no "
        "'CSZScoreNrom'; did you mean 'CSZScoreNorm'?",
    ),
    "argument of a processor": (
        {PROCESSORS: [{"class": "Fillna", "kwargs": {"value": 0}}]},
        "dataset.kwargs.infer_processors.0.kwargs.value: Fillna takes no 'value'; did you mean "
        "'fill_value'?",
    ),
    "record": (
        {"record__1__kwargs": {"quantil": 0.1}},
        "record.1.kwargs.quantil: SigAnaRecord takes no 'quantil'; did you mean 'quantile'?",
    ),
    "no model": (
        {"model": "wf_dagster.data.PanelDataset"},
        "model: PanelDataset has no fit and no predict: a model needs fit and predict",
    ),
    "no class": (
        {"model": "wf_dagster.tasks.schema.TRUNC_DAYS"},
        "model 'TRUNC_DAYS' is a str, not a model",
    ),
    "missing argument": (
        {"dataset": {"class": "wf_dagster.data.PanelDataset", "kwargs": {}}},
        "dataset.kwargs.segments is missing: PanelDataset needs it",
    ),
    "reweighter": (
        {"reweighter": {"func": "tests.tasks.test_reweighting.nobody", "kwargs": {}}},
        "reweighter.func: module 'tests.tasks.test_reweighting' has no 'nobody'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_mistake_has_its_place_and_the_remedy(case: str) -> None:
    values, message = WRONG[case]
    found = mistakes(changed(**values))
    assert len(found) == 1
    assert found[0].startswith(message)


def test_a_right_task_has_none_and_several_are_all_named() -> None:
    assert mistakes(changed()) == []
    wrong = changed(dataset__kwargs__feature=1, record__1__kwargs={"quantil": 0.1})
    assert len(mistakes(wrong)) == 2
    with pytest.raises(TaskError, match="takes no 'feature'"):
        check_parts(wrong, SignatureBook().look_up)


class TakesAnything:
    """A model whose further arguments go elsewhere."""

    def __init__(self, rounds: int = 1, **others: Any) -> None:
        self.arguments = rounds, others

    def fit(self, dataset: Any) -> None:
        """Learn nothing."""

    def predict(self, dataset: Any, segment: Any = "test") -> None:
        """Say nothing."""


def test_what_is_handed_on_is_accepted_and_likely_typos_are_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = changed(model={"class": TakesAnything, "kwargs": {"anything": 1}})
    assert mistakes(task) == []
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING):
        assert mistakes(changed(model={"class": TakesAnything, "kwargs": {"round": 1}})) == []
    assert "model.kwargs.round is handed on by TakesAnything: did you mean 'rounds'?" in caplog.text


def test_a_ready_model_without_predict_is_refused() -> None:
    class Silent:
        def fit(self, dataset: Any) -> None:
            pass

    with pytest.raises(TaskError, match="model: Silent has no predict: a model needs fit"):
        check_parts(changed(model=Silent()), SignatureBook().look_up)


def test_a_module_that_fails_on_import_is_named(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "half_written.py").write_text("import json\nfeatures = jsom.loads\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = mistakes(changed(dataset__kwargs__features="half_written.features"))
    assert found == [
        "dataset.kwargs.features: module 'half_written' fails while it is imported, with "
        "NameError: name 'jsom' is not defined"
    ]
