"""Configurations become objects; placeholders become values."""

from __future__ import annotations

import collections
import datetime
import sys

import pytest

from tests.support import task_of
from wf_dagster import task_train
from wf_dagster.errors import TaskError
from wf_dagster.tasks import fill_placeholders, init_instance, locate


class Thing:
    """Keeps what it was made with."""

    def __init__(self, size, colour="red", **more):
        self.size, self.colour, self.more = size, colour, more


class Touchy:
    """Its constructor fails on its own account."""

    def __init__(self, size):
        len(size)


def make_thing(size):
    return Thing(size, colour="made")


HERE = Thing.__module__


@pytest.mark.parametrize(
    "config",
    [
        {"class": "Thing", "module_path": HERE, "kwargs": {"size": 3}},
        {"class": f"{HERE}.Thing", "kwargs": {"size": 3}},
        {"class": f"{HERE}.Thing", "module_path": "not.looked.at", "kwargs": {"size": 3}},
        {"class": Thing, "kwargs": {"size": 3}},
    ],
    ids=["name and module", "dotted path", "dotted path wins", "type"],
)
def test_a_configuration_names_its_class_in_any_of_these_ways(config):
    thing = init_instance(config)
    assert type(thing) is Thing
    assert (thing.size, thing.colour) == (3, "red")


def test_a_wrong_name_is_answered_with_what_the_module_offers():
    for wrong, near in (("SigAna", "; did you mean 'SigAnaRecord'"), ("sys1", "$")):
        with pytest.raises(TaskError, match=rf"has no '{wrong}'{near}"):
            locate(wrong, "wf_dagster.records")


def test_a_configuration_may_name_a_function_that_makes_the_object():
    thing = init_instance({"func": "make_thing", "module_path": HERE, "kwargs": {"size": 3}})
    assert (thing.size, thing.colour) == (3, "made")


def test_a_dotted_path_alone_is_a_configuration():
    assert init_instance("datetime.timedelta") == datetime.timedelta()


def test_a_ready_object_is_taken_as_it_is():
    thing = Thing(1)
    assert init_instance(thing, recorder=object()) is thing


def test_kwargs_of_the_configuration_win_over_further_ones():
    thing = init_instance({"class": Thing, "kwargs": {"size": 3}}, size=1, colour="blue", rest=9)
    assert (thing.size, thing.colour, thing.more) == (3, "blue", {"rest": 9})


def test_empty_kwargs_are_none():
    assert init_instance({"class": "collections.OrderedDict", "kwargs": None}) == {}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kwargs": {}}, r"model\.class is missing"),
        ({"class": 5}, r"model\.class is 5: use a class or its name"),
        ({"class": ""}, r"model\.class is '': use a class"),
        (
            {"class": "Thing"},
            r"model\.class: 'Thing' does not say where it is: add its module_path",
        ),
        ({"class": ".Thing"}, r"model\.class: '\.Thing' does not say where it is"),
        ({"class": "..support.Thing"}, "does not say where it is"),
        ({"class": "Thing", "module_path": "no.such"}, r"module 'no\.such' cannot be imported"),
        ({"class": "OrderedDct", "module_path": "collections"}, "did you mean 'OrderedDict'"),
        (
            {"func": "no_such", "module_path": "json"},
            r"model\.func: module 'json' has no 'no_such'",
        ),
        ({"class": "sys.path"}, r"model\.class 'sys\.path' is a list, not a class"),
        ({"class": Thing, "kwargs": {}}, r"model: Thing cannot be made.*'size'"),
        ({"class": Thing, "kwargs": {1: 2}}, "model: Thing cannot be made"),
        ("Thing", r"model\.class: 'Thing' does not say where it is"),
    ],
)
def test_a_configuration_that_makes_nothing_says_where_and_why(config, message):
    with pytest.raises(TaskError, match=message):
        init_instance(config, where="model")


def test_an_error_inside_a_constructor_is_shown_as_it_is():
    with pytest.raises(TypeError, match="has no len"):
        init_instance({"class": Touchy, "kwargs": {"size": 3}})


def test_a_module_that_lacks_a_package_says_which(tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TaskError, match="module 'needy' needs 'a_package_nobody_has'"):
        locate("needy.Model")
    assert "needy" not in sys.modules


def test_a_name_is_located_with_and_without_a_module():
    assert locate("collections.OrderedDict") is collections.OrderedDict
    assert locate("OrderedDict", "collections") is collections.OrderedDict
    with pytest.raises(TaskError, match=r"^record\.0: module 'collections' has no 'Ordered'"):
        locate("Ordered", "collections", where="record.0")


# placeholders

TASK = {
    "dataset": {"kwargs": {"segments": {"train": ("2020-01-02", None)}, "names": ["A", "B"]}},
    "top-k": 5,
}


def test_placeholders_stand_for_objects_wherever_they_are():
    model = object()
    config = {"a": "<MODEL>", "b": [1, "<MODEL>"], "c": ("<MODEL>", {"d": "<MODEL>"}), "e": "MODEL"}
    assert fill_placeholders(config, {"<MODEL>": model}) == {
        "a": model,
        "b": [1, model],
        "c": (model, {"d": model}),
        "e": "MODEL",
    }
    assert config["b"] == [1, "<MODEL>"]


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("<dataset.kwargs.segments.train.0>", "2020-01-02"),
        ("<dataset.kwargs.segments.train.1>", None),
        ("<dataset.kwargs.segments.train>", ("2020-01-02", None)),
        ("<dataset.kwargs.names.-1>", "B"),
        ("<top-k>", 5),
    ],
)
def test_a_reference_leads_into_the_task(reference, value):
    assert fill_placeholders([reference], {}, task=TASK) == [value]


@pytest.mark.parametrize(
    "text", ["a <MODEL> b", "<MODEL", "< MODEL >", "<>", "<a b>", "a < b and c > d", "task"]
)
def test_other_texts_stay_as_they_are(text):
    assert fill_placeholders(text, {"<MODEL>": 1}, task=TASK) == text


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        ("<dataset.kwargs.segments.valid.0>", "valid"),
        ("<dataset.kwargs.segments.train.2>", "2"),
        ("<dataset.kwargs.names.first>", "first"),
        ("<top-k.0>", "0"),
        ("<MODLE>", "MODLE"),
    ],
)
def test_a_placeholder_that_stands_for_nothing_is_refused_by_place(reference, part):
    with pytest.raises(
        TaskError, match=rf"record\.0\.kwargs\.x: {reference} stands for nothing.*'{part}'.*<MODEL>"
    ):
        fill_placeholders({"kwargs": {"x": reference}}, {"<MODEL>": 1}, task=TASK, where="record.0")


class Note:
    """A record that keeps what it was given."""

    seen: dict[str, object] = {}  # noqa: RUF012  # it outlives the instance on purpose

    def __init__(self, recorder, **kwargs):
        Note.seen = kwargs

    def generate(self):
        pass


def test_records_of_a_trained_task_get_model_dataset_and_parts_of_the_task():
    task = task_of("2020-03-02")
    kwargs = {"model": "<MODEL>", "since": "<dataset.kwargs.segments.train.0>", "word": "task"}
    task["record"] = [{"class": Note, "kwargs": kwargs}]
    task_train(task, "notes")
    assert type(Note.seen["model"]).__name__ == "SklearnModel"
    assert Note.seen["since"] == "2018-03-02"
    assert Note.seen["word"] == "task"
