"""Each model family of Qlib's benchmarks predicts here, to the bit, what it predicts under Qlib.

A family runs where its packages are installed; ``make test-peer`` says how to have them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.peer.comparison import assert_same
from tests.peer.family_data import SEED, write_data
from tests.peer.leftovers import LeftRecorder
from tests.peer.model_families import FAMILIES
from tests.peer.running import Peer, Result, Step
from tests.peer.ways import Way

pytestmark = pytest.mark.slow
SCRIPT = "model_families"
ROADS = ("by_hand", "by_trainer")
OTHERS = [name for name, family in FAMILIES.items() if "torch" not in family.packages]
TORCH = [name for name in FAMILIES if name not in OTHERS]
AT_ONCE = 5  # families that share a process: importing PyTorch takes longer than training


@pytest.fixture(scope="module")
def families(peer: Peer) -> Iterator[Peer]:
    """Where the families have their data, and sets of names one order in every process."""
    peer.folder.mkdir(exist_ok=True)
    write_data(peer.folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONHASHSEED", "0")  # DoubleEnsemble goes through a set of columns
        yield peer


def run(peer: Peer, names: list[str], way: Way, global_seed: int | None = SEED) -> Result:
    """The rolls of families whose packages are installed, a process for all of them.

    The global generators get a seed only for families that need it: the seeds in the tasks of the
    others have to be enough for two processes to learn the same.
    """
    present = {name: FAMILIES[name] for name in names if not FAMILIES[name].missing}
    tasks = {name: family.task() for name, family in present.items()}
    seeds = {name: global_seed for name, family in present.items() if not family.is_seeded}
    file = peer.folder / f"{names[0].replace(' ', '_')}_{global_seed}.json"
    file.write_text(json.dumps([tasks, seeds]))
    return peer.run(SCRIPT, way, Step((str(file),)))


def group_of(name: str) -> list[str]:
    names = OTHERS if name in OTHERS else TORCH
    start = names.index(name) // AT_ONCE * AT_ONCE
    return names[start : start + AT_ONCE]


def recorder_of(result: Result, name: str, road: str) -> LeftRecorder:
    rolls = result.answers["rolls.pkl"].set_index(["family", "road"])
    assert rolls.loc[(name, road), "error"] == ""
    (recorder,) = result.left[f"{name} {road}"]
    return recorder


@pytest.mark.parametrize("name", [*OTHERS, *TORCH])
@pytest.mark.parametrize("way", [Way.PUBLIC, Way.INSTALL])
def test_a_family_predicts_to_the_bit_what_it_predicts_under_qlib(
    families: Peer, name: str, way: Way
):
    if missing := FAMILIES[name].missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    theirs, ours = (run(families, group_of(name), each) for each in (Way.QLIB, way))
    for road in ROADS:
        assert_same_roll(recorder_of(ours, name, road), recorder_of(theirs, name, road), road)
    assert not ours.files - {"rolls.pkl"}


@pytest.mark.parametrize("name", [n for n, family in FAMILIES.items() if not family.is_seeded])
def test_the_families_that_need_more_than_their_own_seed_differ_from_roll_to_roll_under_qlib(
    families: Peer, name: str
):
    if missing := FAMILIES[name].missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    for seed in (SEED, None):
        rolls = run(families, [name], Way.QLIB, seed)
        by_hand, by_trainer = (recorder_of(rolls, name, road).load("pred.pkl") for road in ROADS)
        assert by_hand.equals(by_trainer) is (seed is not None)


def assert_same_roll(ours: LeftRecorder, theirs: LeftRecorder, where: str) -> None:
    assert ours.status == theirs.status == "FINISHED"
    assert theirs.names <= ours.names, where
    for file in ("pred.pkl", "label.pkl"):
        frame: Any = theirs.load(file)
        assert len(frame)
        # this project's own record sorts the rows that a dataset of windows gives name by name
        expected = frame if where == "by_trainer" else frame.sort_index()
        assert ours.load(file).equals(expected), f"{where} {file}"
    for file in ("sig_analysis/ic.pkl", "sig_analysis/ric.pkl"):  # sums of another order
        assert_same(ours.load(file), theirs.load(file), f"{where} {file}")
    assert theirs.metrics.keys() <= ours.metrics.keys(), where
    for metric, entries in theirs.metrics.items():
        assert_same(ours.metrics[metric], entries, f"{where} {metric}")
