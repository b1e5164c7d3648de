"""Rolls by task manager, with a pool and without, and Qlib's ``Rolling`` of a workflow file.

Qlib's pool asks MongoDB for equal documents, which nx-27017 does not know: Qlib's side has none.
"""

from __future__ import annotations

import pytest

from tests.peer.comparison import assert_same, assert_same_recorders
from tests.peer.running import Peer, Step
from tests.peer.ways import Way

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", [Way.PUBLIC, Way.QLIB_RECORDS, Way.MIRROR, Way.INSTALL])
@pytest.mark.parametrize("pool", [(), ("rolling_task",)], ids=["alone", "pool"])
def test_rolls_by_task_manager_are_those_of_qlib(
    peer: Peer, mongo: str, pool: tuple[str, ...], way: Way
):
    peer.mongo_url = mongo
    theirs = peer.run("rolling_tasks", Way.QLIB)
    ours = peer.run("rolling_tasks", way, Step(pool))
    assert ours.files == {"answers.pkl"}
    assert_same_recorders(ours.left, theirs.left, other_params=["cmd-sys.argv"])
    assert_same(ours.answers, theirs.answers, "answers")
    assert len(ours.left["rolling_exp"]) == 6


@pytest.mark.parametrize("way", [Way.PUBLIC, Way.MIRROR, Way.INSTALL])
def test_rolling_of_a_workflow_file_is_that_of_qlib(peer: Peer, way: Way):
    theirs, ours = (peer.run("rolling_class", each) for each in (Way.QLIB, way))
    assert_same_recorders(ours.left, theirs.left)
    assert not {"mlruns", "tmp"} & ours.files
