"""Tags that say which recorders serve."""

from __future__ import annotations

import pytest

from tests.online.test_ledger import NAME, made
from tests.tracking.support import count_store_calls
from wf_dagster import OnlineTool, OnlineToolR, R
from wf_dagster.errors import OnlineError
from wf_dagster.tracking import Recorder, find_recorders
from wf_dagster.tracking.store import get_client


@pytest.fixture
def recorders(ready_store: None) -> list[Recorder]:
    return made(3)


def test_the_names_are_those_of_qlib() -> None:
    assert (OnlineTool.ONLINE_KEY, OnlineTool.ONLINE_TAG) == ("online_status", "online")
    assert (OnlineTool.OFFLINE_TAG, OnlineTool.NEXT_ONLINE_TAG) == ("offline", "next_online")


def test_setting_leaves_the_others_and_resetting_does_not(recorders: list[Recorder]) -> None:
    a, b, c = recorders
    tool = OnlineToolR(NAME)
    assert tool.online_models() == []
    assert tool.get_online_tag(a) == "offline"
    tool.set_online_tag("online", a)
    tool.set_online_tag("next_online", [b, c])
    assert tool.online_models() == [a]
    assert tool.next_online_models() == [b, c]
    tool.set_online_tag("online", b)
    assert tool.online_models() == [a, b]
    tool.set_online_tag("offline", a)
    assert [tool.get_online_tag(r) for r in recorders] == ["offline", "online", "next_online"]
    tool.reset_online_tag([a])
    assert [tool.get_online_tag(r) for r in recorders] == ["online", "offline", "offline"]
    tags = {r.id: r.list_tags().get("online_status") for r in find_recorders(NAME)}
    assert tags == {a.id: "online", b.id: "offline", c.id: "offline"}


def test_a_switch_writes_the_tags_that_change_and_reads_recorders_in_one_request(
    recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = OnlineToolR(NAME)
    tool.reset_online_tag(recorders[:2])
    calls = count_store_calls(monkeypatch, get_client())
    tool.reset_online_tag(recorders[1:])
    assert calls["set_tag"] == 2  # one more is online, one less
    assert calls["get_run"] <= 2  # the ledger's own, as another process may have it
    calls.clear()
    tool.reset_online_tag(recorders[1:])
    assert calls["set_tag"] == 0
    calls.clear()
    assert len(tool.online_models()) == 2
    assert calls["get_run"] == 0


def test_another_experiment_can_be_named(recorders: list[Recorder]) -> None:
    tool = OnlineToolR()
    tool.reset_online_tag(recorders[0], exp_name=NAME)
    assert tool.online_models(NAME) == [recorders[0]]
    assert tool.get_online_tag(recorders[0]) == "online"
    with pytest.raises(OnlineError, match=r"no experiment is named: give exp_name"):
        tool.online_models()


def test_a_recorder_of_another_experiment_is_refused(recorders: list[Recorder]) -> None:
    with R.start(experiment_name="other"):
        stranger = R.get_recorder()
    with pytest.raises(OnlineError, match=f"recorder {stranger.id} belongs to experiment"):
        OnlineToolR(NAME).reset_online_tag([recorders[0], stranger])
    assert OnlineToolR(NAME).online_models() == []


def test_an_unknown_tag_is_refused(recorders: list[Recorder]) -> None:
    with pytest.raises(OnlineError, match=r"online tag 'live' is unknown: use one of online"):
        OnlineToolR(NAME).set_online_tag("live", recorders[0])


def test_a_deleted_recorder_is_left_out(
    recorders: list[Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    tool = OnlineToolR(NAME)
    tool.reset_online_tag(recorders[:2])
    R.get_exp(experiment_name=NAME).delete_recorder(recorder_id=recorders[0].id)
    assert tool.online_models() == [recorders[1]]
    assert f"'{recorders[0].id}' was deleted" in caplog.text
    tool.reset_online_tag(recorders[2])
    assert tool.online_models() == [recorders[2]]
