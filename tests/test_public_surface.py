"""What others may rely on changes only where a review sees it, and stays small enough to call."""

from __future__ import annotations

import difflib

import pytest

from tests.record_public_surface import FILE, parameters_of, public_callables, record

MOST = 8  # parameters; what belongs together is one typed value

# Signatures that have more, and why.
EXCEPTIONS = {
    "wf_dagster.PanelDataset": "the eight that a stored task may name, and the market handed in",
    "wf_dagster.RollingStrategySpec": "what a strategy is, by name, as its YAML has it",
    "wf_dagster.build_signals_asset": "what an asset of Dagster's may be given",
    "wf_dagster.build_strategy_definitions": "the strategies, and which parts are left out",
    "wf_dagster.orchestration.RollProps": "made here, and read by translators",
    "wf_dagster.RollingGen": "Qlib's seven, and three that say on which sessions and how",
    "wf_dagster.data.Panel": "a result: its fields are read, nobody calls it",
    "wf_dagster.records.PortfolioConfig": "Qlib's eight, and two that say what a delisting costs",
    "wf_dagster.records.simulate": "scores, closes and the fields of a PortfolioConfig",
    "wf_dagster.collect.StrategyCollection": "a result: its fields are read, nobody calls it",
    "wf_dagster.training.RollJob": "made by the rooms above, and handed to workers",
    "wf_dagster.training.RollOutcome": "a result: its fields are read, nobody calls it",
    "wf_dagster.workflows.Rolling": "Qlib's nine",
}


@pytest.fixture(scope="module")
def counts() -> dict[str, int]:
    """The number of parameters of each public callable."""
    return {name: len(parameters_of(function)) for name, function in public_callables().items()}


def test_the_public_surface_is_the_one_that_was_recorded():
    recorded, now = FILE.read_text(), record()
    changes = difflib.unified_diff(
        recorded.splitlines(), now.splitlines(), "recorded", "now", lineterm="", n=2
    )
    if recorded != now:
        pytest.fail(
            "the public surface has changed:\n\n"
            + "\n".join(changes)
            + "\n\nIf that is meant, renew the record: python -m tests.record_public_surface",
            pytrace=False,
        )


def test_nothing_public_takes_more_parameters_than_a_caller_can_hold_in_mind(counts):
    assert {
        name: count for name, count in counts.items() if count > MOST and name not in EXCEPTIONS
    } == {}


def test_every_exception_is_still_one(counts):
    assert [name for name in EXCEPTIONS if counts.get(name, 0) <= MOST] == []
