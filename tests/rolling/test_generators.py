"""Templates times generators."""

from __future__ import annotations

import pytest

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import TaskError
from wf_dagster.rolling import MultiHorizonGen, RollingGen, TaskGen, task_generator


class Seeds(TaskGen):
    """Three tasks of each."""

    def generate(self, task):
        return [{**task, "seeds": [*task.get("seeds", []), seed]} for seed in (1, 2, 3)]


def test_every_generator_multiplies_what_came_before():
    tasks = task_generator([{"name": "a"}, {"name": "b"}], [Seeds(), Seeds()])
    assert [(task["name"], *task["seeds"]) for task in tasks] == [
        (name, one, other) for name in "ab" for one in (1, 2, 3) for other in (1, 2, 3)
    ]


def test_one_template_and_one_generator_need_no_list():
    tasks = task_generator({"name": "a"}, Seeds())
    assert tasks == Seeds()({"name": "a"}) == task_generator([{"name": "a"}], [Seeds()])


def test_templates_and_generators_may_be_given_one_at_a_time():
    tasks = task_generator(({"name": name} for name in "ab"), iter([Seeds()]))
    assert len(tasks) == 6


def test_a_function_is_a_generator():
    assert task_generator({"a": 1}, lambda task: [task, {**task, "a": 2}]) == [{"a": 1}, {"a": 2}]


def test_without_generators_the_templates_are_the_tasks():
    assert task_generator([{"a": 1}], []) == [{"a": 1}]


def test_a_generator_without_generate_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        TaskGen()


@pytest.mark.parametrize(
    ("tasks", "generators", "message"),
    [
        ("task", [], "tasks is 'task'"),
        (None, [], "tasks is None"),
        (["task"], [], r"tasks\.0 is 'task': a template is a dict"),
        ({}, None, "generators is None"),
        ({}, [Seeds(), 5], r"generators\.1 is 5: use a TaskGen"),
    ],
)
def test_what_is_no_template_and_no_generator_is_refused_by_place(tasks, generators, message):
    with pytest.raises(TaskError, match=message):
        task_generator(tasks, generators)


def test_rolls_of_several_horizons_leak_no_label():
    calendar = TradingCalendar.from_exchange("XNYS", "2018-01-02", "2020-12-31")
    template = {
        "model": "package.Model",
        "dataset": {
            "class": "wf_dagster.data.PanelDataset",
            "kwargs": {
                "segments": {"train": ("2018-02-01", "2019-12-31"), "test": ("2020-01-02", None)}
            },
        },
    }
    tasks = task_generator(
        template,
        [MultiHorizonGen([5, 20], calendar=calendar), RollingGen("month", calendar=calendar)],
    )
    assert len(tasks) == 2 * 12
    for task in tasks:
        kwargs = task["dataset"]["kwargs"]
        horizon, segments = kwargs["label"]["kwargs"]["horizon"], kwargs["segments"]
        known = calendar.index(segments["train"][1]) + 1 + horizon
        assert known < calendar.index(segments["test"][0])
