"""Record what Qlib's task generators answer, for the tests to compare with.

Needs no market data: the calendar is given by hand. In an environment of its own, after
``pip install pyqlib==0.9.7``, from the root of the repository::

    python tests/rolling/record_qlib_segments.py

writes ``qlib_segments.json`` beside this file. Segments are kept as positions in the list of
sessions, ``null`` for an open end; where Qlib raised, the name of the exception and the rolls
that it had made by then.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import qlib
import qlib.data
from qlib.workflow.task import gen, utils

HOLIDAYS = ["2021-01-18", "2021-02-15", "2021-04-02", "2021-05-31", "2021-06-18", "2021-07-05"]
SESSIONS = pd.bdate_range("2021-01-04", "2021-07-09").difference(pd.DatetimeIndex(HOLIDAYS))
DATA = 105  # sessions with data; the others are in the future
CALENDARS = {"future": len(SESSIONS), "today": DATA}

TRAIN, VALID = ["2021-01-11", "2021-03-05"], ["2021-03-09", "2021-03-24"]
FULL = {"train": TRAIN, "valid": VALID}
TEST_ENDS = {
    "open": None,
    "inside": "2021-05-14",
    "not_a_session": "2021-05-16",
    "last_data": f"{SESSIONS[DATA - 1]:%Y-%m-%d}",
    "after_data": f"{SESSIONS[DATA + 5]:%Y-%m-%d}",
    "last_session": f"{SESSIONS[-1]:%Y-%m-%d}",
    "after_calendar": "2022-03-01",
}
TEST_START = "2021-03-29"
MAIN = {f"test_end_{name}": {**FULL, "test": [TEST_START, end]} for name, end in TEST_ENDS.items()}
OTHER = {
    "no_valid": {"train": TRAIN, "test": [TEST_START, "2021-05-14"]},
    "order_of_keys": {"test": [TEST_START, None], "valid": VALID, "train": TRAIN},
    "not_sessions": {
        "train": ["2021-01-09", "2021-03-07"],
        "valid": ["2021-03-13", "2021-03-27"],
        "test": ["2021-03-28", "2021-05-16"],
    },
    "gap_before_test": {
        "train": TRAIN,
        "valid": ["2021-03-09", "2021-03-12"],
        "test": [TEST_START, None],
    },
    "touching": {"train": ["2021-01-11", "2021-03-26"], "test": [TEST_START, None]},
    "train_from_first_session": {
        **FULL,
        "train": ["2021-01-04", "2021-03-05"],
        "test": [TEST_START, None],
    },
    "train_before_calendar": {
        **FULL,
        "train": ["2019-01-04", "2021-03-05"],
        "test": [TEST_START, None],
    },
    "train_start_open": {**FULL, "train": [None, "2021-03-05"], "test": [TEST_START, None]},
    "train_end_open": {"train": ["2021-01-11", None], "test": [TEST_START, "2021-05-14"]},
    "train_all_open": {"train": [None, None], "test": [TEST_START, "2021-05-14"]},
    "valid_end_open": {"train": TRAIN, "valid": ["2021-03-09", None], "test": [TEST_START, None]},
    "overlapping": {"train": ["2021-01-11", "2021-05-03"], "test": [TEST_START, None]},
    "test_is_one_session": {**FULL, "test": [TEST_START, TEST_START]},
    "test_end_before_start": {**FULL, "test": [TEST_START, "2021-03-01"]},
    "test_from_first_session": {
        "train": ["2021-01-04", "2021-01-04"],
        "test": ["2021-01-04", "2021-03-01"],
    },
    "test_from_last_data": {**FULL, "test": [f"{SESSIONS[DATA - 1]:%Y-%m-%d}", None]},
    "test_from_last_session": {**FULL, "test": [f"{SESSIONS[-1]:%Y-%m-%d}", None]},
    "test_after_calendar": {**FULL, "test": ["2022-03-01", None]},
    "test_start_open": {**FULL, "test": [None, "2021-05-14"]},
    "segment_after_test": {
        "train": TRAIN,
        "test": [TEST_START, None],
        "watch": ["2021-05-17", "2021-05-28"],
    },
    "only_test": {"test": [TEST_START, "2021-05-14"]},
    "four_segments": {
        "train": TRAIN,
        "valid": ["2021-03-09", "2021-03-12"],
        "calibration": ["2021-03-15", "2021-03-24"],
        "test": [TEST_START, None],
    },
}
TEMPLATES = {**MAIN, **OTHER}


class Provider:
    """Stands for Qlib's data: a calendar, with or without future sessions."""

    def __init__(self, sessions: int) -> None:
        self.sessions = sessions

    def calendar(self, future: bool = False, **_: Any) -> np.ndarray[Any, Any]:
        return np.array(list(SESSIONS[: self.sessions if future else DATA]), dtype=object)


def use_calendar(name: str) -> None:
    qlib.data.D = utils.D = Provider(CALENDARS[name])


def task_of(segments: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    pairs = {name: tuple(pair) for name, pair in segments.items()}
    return {
        "model": "package.Model",
        "dataset": {"class": "D", "kwargs": {"segments": pairs, **kwargs}},
    }


def places(segments: dict[str, Any]) -> list[int | None]:
    """Positions of starts and ends, in the order of the segments' names."""
    dates = [date for name in sorted(segments) for date in segments[name]]
    return [None if date is None else int(SESSIONS.get_loc(date)) for date in dates]


def answer(make: Any, seen: list[Any]) -> dict[str, Any]:
    try:
        make()
    except Exception as error:
        return {"rolls": seen, "raises": type(error).__name__}
    return {"rolls": seen}


def roll(template: str, step: int, rtype: str, trunc_days: int | None) -> dict[str, Any]:
    seen: list[Any] = []
    generator = gen.RollingGen(
        step,
        rtype,
        lambda task, _: seen.append(places(task["dataset"]["kwargs"]["segments"])),
        trunc_days=trunc_days,
    )
    return answer(lambda: generator.generate(task_of(TEMPLATES[template])), seen)


def rolls() -> list[dict[str, Any]]:
    made = []
    kinds = ("expanding", "sliding")
    for calendar in CALENDARS:
        use_calendar(calendar)
        grid = [
            *itertools.product(MAIN, range(1, 41), kinds, [None]),
            *itertools.product(MAIN, [7, 20], kinds, [0, 1, 6, 40]),
            *itertools.product(OTHER, [3, 20, 37], kinds, [None, 0, 6]),
            *itertools.product(["test_end_open"], [100, 400], kinds, [None, 200]),
        ]
        for template, step, rtype, trunc_days in grid:
            case = [calendar, template, step, rtype, trunc_days]
            made.append({"case": case, **roll(template, step, rtype, trunc_days)})
    return made


def following() -> list[dict[str, Any]]:
    """The rolls after a given one, asked for by hand as an online strategy does."""
    made = []
    ends = [0, 60, 61, 79, 80, 81, DATA - 1, DATA, len(SESSIONS) - 1, None]
    starts = {"open": [59, None], "closed": [59, 64], "last": [DATA - 1, None]}
    for calendar in CALENDARS:
        use_calendar(calendar)
        grid = itertools.product(starts, ends, [1, 20], ["expanding", "sliding"])
        for start, end, step, rtype in grid:
            test = [None if x is None else SESSIONS[x] for x in starts[start]]
            task = task_of({"train": [SESSIONS[4], SESSIONS[42]], "test": test})
            seen: list[Any] = []
            generator = gen.RollingGen(
                step,
                rtype,
                lambda t, _, seen=seen: seen.append(places(t["dataset"]["kwargs"]["segments"])),
            )
            until = None if end is None else SESSIONS[end]
            case = [calendar, starts[start], end, step, rtype]
            got = answer(
                lambda g=generator, t=task, u=until: list(g.gen_following_tasks(t, u)), seen
            )
            made.append({"case": case, **got})
    return made


def handlers() -> list[dict[str, Any]]:
    """The end that each roll's handler has after ``handler_mod``."""
    made = []
    given: list[Any] = [
        "2021-03-01",
        "2021-05-14",
        "2021-05-16",
        "2021-06-01",
        "2022-03-01",
        None,
        "absent",
        "string",
    ]
    for calendar in CALENDARS:
        use_calendar(calendar)
        for end_time, template in itertools.product(given, MAIN):
            kwargs = {} if end_time == "absent" else {"end_time": end_time}
            handler: Any = {"class": "H", "kwargs": {"start_time": "2021-01-04", **kwargs}}
            handler = "handler.pkl" if end_time == "string" else handler
            task = task_of(TEMPLATES[template], handler=handler)
            ends: list[Any] = []

            def extend(t: dict[str, Any], g: Any, ends: list[Any] = ends) -> None:
                gen.handler_mod(t, g)
                settings = t["dataset"]["kwargs"]["handler"]
                end = (
                    settings["kwargs"].get("end_time", "absent")
                    if isinstance(settings, dict)
                    else settings
                )
                ends.append(f"{end:%Y-%m-%d}" if isinstance(end, pd.Timestamp) else end)

            got = answer(
                lambda t=task, f=extend: gen.RollingGen(20, ds_extra_mod_func=f).generate(t), ends
            )
            made.append({"case": [calendar, template, end_time], "ends": got.pop("rolls"), **got})
    return made


def horizons() -> list[dict[str, Any]]:
    """The segments that ``MultiHorizonGenBase`` leaves for each horizon."""

    class Horizons(gen.MultiHorizonGenBase):
        def set_horizon(self, task: dict[str, Any], hr: int) -> None:
            task["horizon"] = hr

    made = []
    for calendar in CALENDARS:
        use_calendar(calendar)
        for template, horizon, leak in itertools.product(TEMPLATES, [[1], [5, 10, 40]], [0, 2]):
            seen: list[Any] = []

            def make(
                template: str = template, horizon: Any = horizon, leak: int = leak, seen: Any = seen
            ) -> None:
                for task in Horizons(horizon, leak).generate(task_of(TEMPLATES[template])):
                    seen.append([task["horizon"], *places(task["dataset"]["kwargs"]["segments"])])

            made.append({"case": [calendar, template, horizon, leak], **answer(make, seen)})
    return made


def main() -> None:
    grids = {"rolls": rolls(), "following": following(), "horizons": horizons()}
    answers: list[Any] = []
    for row in itertools.chain(*grids.values()):
        if row["rolls"] not in answers:
            answers.append(row["rolls"])
        row["rolls"] = answers.index(row["rolls"])  # many cases have the same answer
    record = {
        "qlib": qlib.__version__,
        "sessions": [f"{day:%Y-%m-%d}" for day in SESSIONS],
        "data": DATA,
        "calendars": CALENDARS,
        "templates": TEMPLATES,
        **grids,
        "handlers": handlers(),
        "answers": answers,
    }
    path = Path(__file__).with_name("qlib_segments.json")
    path.write_text("{\n" + ",\n".join(map(_entry, record.items())) + "\n}\n")
    print(path.name, path.stat().st_size, {name: len(rows) for name, rows in grids.items()})


def _entry(item: tuple[str, Any]) -> str:
    """A key and its value; one line a row, so that a change can be read."""
    name, value = item
    if isinstance(value, list) and not isinstance(value[0], str):
        return f'"{name}":[\n' + ",\n".join(map(_compact, value)) + "\n]"
    return f'"{name}":{_compact(value)}'


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main()
