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
    assert not ours.files
    assert_same_recorders(ours.left, theirs.left, portfolio=way is not Way.PUBLIC)
