"""The notebook and nested execution: recorders of several blocks, analysed by later ones."""

from __future__ import annotations

import pytest

from tests.peer.comparison import assert_same, assert_same_recorders
from tests.peer.running import Peer
from tests.peer.ways import Way

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", [Way.QLIB_RECORDS, Way.MIRROR, Way.INSTALL])
def test_the_notebook_finds_and_analyses_what_it_finds_under_qlib(peer: Peer, way: Way):
    theirs, ours = (peer.run("workflow_notebook", each) for each in (Way.QLIB, way))
    assert ours.files == {"answers.pkl"}
    # there it names the file of the kernel's connection
    assert_same_recorders(ours.left, theirs.left, other_params=["cmd-sys.argv"])
    assert_same(ours.answers, theirs.answers, "answers")


@pytest.mark.parametrize("way", [Way.QLIB_RECORDS, Way.MIRROR, Way.INSTALL])
def test_nested_execution_trades_as_under_qlib(peer: Peer, way: Way):
    theirs, ours = (peer.run("nested_decision_execution", each) for each in (Way.QLIB, way))
    assert not ours.files
    assert_same_recorders(ours.left, theirs.left)
    (backtest,) = theirs.left["backtest"]
    traded = backtest.load("portfolio_analysis/report_normal_5min.pkl")["turnover"]
    assert (traded > 0).sum() > 20
