"""Workflow by code: the same recorder, whichever way the script's names are imported."""

from __future__ import annotations

import pytest

from tests.peer.comparison import assert_same_recorders
from tests.peer.running import Peer
from tests.peer.ways import Way

QUICK = [Way.PUBLIC, Way.QLIB_RECORDS, Way.INSTALL]


@pytest.mark.parametrize("way", [*QUICK, pytest.param(Way.MIRROR, marks=pytest.mark.slow)])
def test_workflow_by_code_leaves_what_it_leaves_under_qlib(peer: Peer, way: Way):
    theirs, ours = (peer.run("workflow_by_code", each) for each in (Way.QLIB, way))
    assert ours.exit_codes == theirs.exit_codes
    assert not ours.files, "nothing is left beside the script, ./mlruns least of all"
    assert_same_recorders(ours.left, theirs.left, portfolio=way is not Way.PUBLIC)
    if way is Way.PUBLIC:  # this project's portfolio, fully invested, on the prices that Qlib has
        name = "1day.excess_return_without_cost.std"
        ((_, here),), ((_, there),) = (
            result.left["workflow"][0].metrics[name] for result in (ours, theirs)
        )
        assert here == pytest.approx(there, rel=0.05)
