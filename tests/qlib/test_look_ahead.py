"""What Qlib's expressions say of look-ahead is heard before a training."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.qlib_tasks import ridge, seeded_template
from wf_dagster import RollingGen, task_generator, task_train
from wf_dagster.audit import audit_strategy, select_rolls
from wf_dagster.errors import DataError
from wf_dagster.market import Market
from wf_dagster.rolling import Rolls


def with_feature(expression: str, label: str | None = None) -> dict[str, Any]:
    template = copy.deepcopy(seeded_template(ridge()))
    config = template["dataset"]["kwargs"]["handler"]["kwargs"]["data_loader"]["kwargs"]["config"]
    expressions, names = config["feature"]
    config["feature"] = ([*expressions, expression], [*names, "EXTRA"])
    if label is not None:
        config["label"] = ([label], ["LABEL0"])
    return {**template, "record": []}


@pytest.mark.parametrize(
    ("expression", "sessions"),
    [
        ("Ref($close, -3)/$close - 1", 3),
        ("Mean(Ref($close, -5), 4)", 5),
        ("$close/Ref($open,-1)", 1),
    ],
)
def test_a_feature_that_looks_ahead_is_refused(seeded, expression: str, sessions: int) -> None:
    with pytest.raises(DataError) as refused:
        task_train(with_feature(expression), "leak")
    assert f"feature 'EXTRA' looks {sessions} sessions ahead, from 2019-02-01 on" in str(
        refused.value
    )
    assert repr(expression) in str(refused.value)


def test_segments_that_adjoin_are_trained_with_a_word(
    seeded, caplog: pytest.LogCaptureFixture
) -> None:
    """The label, two sessions ahead, of 2019-10-31 is known one session after the first test."""
    with caplog.at_level(logging.WARNING):
        recorder = task_train({**seeded_template(ridge()), "record": []}, "adjoin")
    assert recorder.status == recorder.STATUS_FI
    (warning,) = (r.message for r in caplog.records if "first test session" in r.message)
    assert warning.startswith(
        "the label of 2019-10-31, in the valid segment, was known on 2019-11-04 only, after the "
        "first test session 2019-11-01 had closed (1 of the last "
    )
    assert "a RollingGen with trunc_days=2 leaves them out" in warning


def test_rolls_that_are_cut_by_too_little_fail(seeded) -> None:
    template = with_feature("$close/Ref($close, 3)", "Ref($close, -6)/Ref($close, -1) - 1")
    first = task_generator(template, RollingGen(40, "sliding", trunc_days=4))[0]
    with pytest.raises(DataError) as refused:
        task_train(first, "short")
    # six sessions before the close of 2019-11-01 is the 24th of October: the 25th is known on the
    # 4th of November
    assert str(refused.value).startswith(
        "the label of 2019-10-25, in the valid segment, was known on 2019-11-04 only"
    )
    assert "with trunc_days=6 (now 4)" in str(refused.value)
    enough = task_generator(template, RollingGen(40, "sliding", trunc_days=6))[0]
    assert task_train(enough, "enough").status == "FINISHED"


def test_a_replay_date_hides_labels_that_nobody_can_learn_from(
    seeded, caplog: pytest.LogCaptureFixture
) -> None:
    task_train({**seeded_template(ridge()), "record": []}, "then", market=Market().at("2019-11-01"))
    assert "first test session" not in caplog.text


def test_operators_of_ones_own_are_named(seeded, caplog: pytest.LogCaptureFixture) -> None:
    initialise_qlib()
    from qlib.data.ops import Operators, Ref

    from wf_dagster.qlib_bridge import look_ahead

    class Tomorrow(Ref):  # type: ignore[misc]
        """Says nothing of what it looks at."""

        def get_extended_window_size(self) -> tuple[int, int]:
            return 0, 0

    Operators.register([Tomorrow])
    assert list(look_ahead._own_operators("Tomorrow($close, 1)/Ref($close, 2)")) == ["Tomorrow"]
    assert list(look_ahead._own_operators("Mean($close, 5)/Ref($close, 2)")) == []


def test_an_audit_reads_the_expressions(seeded) -> None:
    generator = RollingGen(40, "sliding", trunc_days=2)
    rolls = Rolls.from_template(seeded_template(ridge()), generator)
    selected = select_rolls(rolls, Market())[:2]
    report = audit_strategy("qlibs", "qlibs", rolls, Market(), selected)
    assert report.failed == []
    assert report.untested == ["processors", "predictions", "signals"]
    leaking = Rolls.from_template(with_feature("Ref($close, -3)"), generator)
    report = audit_strategy("qlibs", "qlibs", leaking, Market(), list(leaking)[:2])
    assert report.failed == ["features"]
    assert "'EXTRA' looks 3 sessions ahead" in " ".join(report.text().split())
