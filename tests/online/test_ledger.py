"""What is online is one thing at every moment, whoever reads it and whoever dies."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.online.processes import apart, begin
from wf_dagster import OnlineToolR, R
from wf_dagster.errors import BrokenObjectError, OnlineError
from wf_dagster.online import ledger as ledgers
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.tracking import Recorder, find_recorders

NAME = "switched"


def made(count: int) -> list[Recorder]:
    recorders = []
    for number in range(count):
        with R.start(experiment_name=NAME, recorder_name=f"r{number}"):
            recorders.append(R.get_recorder())
    return recorders


@pytest.fixture
def generations(ready_store: None) -> tuple[list[Recorder], list[Recorder]]:
    recorders = made(4)
    OnlineToolR(NAME).reset_online_tag(recorders[:2])
    return recorders[:2], recorders[2:]


def tags() -> dict[str, str]:
    return {r.id: r.list_tags().get("online_status", "") for r in find_recorders(NAME)}


def ids(recorders: list[Recorder]) -> set[str]:
    return {recorder.id for recorder in recorders}


@pytest.mark.slow
def test_readers_see_one_generation_during_fifty_switches(
    generations: tuple[list[Recorder], list[Recorder]], tmp_path: Path
) -> None:
    known = [ids(generation) for generation in generations]
    stop, seen = tmp_path / "stop", tmp_path / "seen"

    def watch() -> None:
        tool, counts = OnlineToolR(NAME), [0, 0]
        while not stop.exists():
            counts[known.index(set(tool.state().online))] += 1
            assert ids(tool.online_models()) in known
        seen.write_text(" ".join(map(str, counts)))

    reader = begin(watch)
    while not seen.exists() and not stop.exists():
        for turn in range(50):
            OnlineToolR(NAME).reset_online_tag(generations[1 - turn % 2])
        stop.touch()
    _, status = os.waitpid(reader, 0)
    assert status == 0
    assert min(map(int, seen.read_text().split())) > 0  # it saw both


def test_a_switch_that_dies_before_the_tags_is_finished_by_the_next_call(
    generations: tuple[list[Recorder], list[Recorder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = generations
    before = tags()

    def die_before_the_tags() -> None:
        monkeypatch.setattr(OnlineLedger, "mark", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        with OnlineToolR(NAME).ledger().exclusive():
            state = OnlineToolR(NAME).state()
            OnlineToolR(NAME).ledger().write(state.switched([r.id for r in second], (), None))

    assert not apart(die_before_the_tags, kill_after=5)
    tool = OnlineToolR(NAME)
    assert ids(tool.online_models()) == ids(second)
    assert tool.get_online_tag(first[0]) == "offline"
    assert tags() == before  # the page of MLflow is behind
    tool.reset_online_tag(second)
    assert tags() == dict.fromkeys(ids(first), "offline") | dict.fromkeys(ids(second), "online")


@pytest.mark.slow
def test_a_switch_may_die_at_any_moment(
    generations: tuple[list[Recorder], list[Recorder]],
) -> None:
    chance = random.Random(3)

    def switch_for_ever() -> None:
        for turn in range(10_000):
            OnlineToolR(NAME).reset_online_tag(generations[turn % 2])

    for _ in range(8):
        assert not apart(switch_for_ever, kill_after=chance.uniform(0.2, 0.5))
        tool = OnlineToolR(NAME)
        online = ids(tool.online_models())
        assert online in [ids(generation) for generation in generations]
        tool.set_online_tag("online", [r for g in generations for r in g if r.id in online])
        assert {i for i, tag in tags().items() if tag == "online"} == online


def test_only_tags_that_change_are_written(
    generations: tuple[list[Recorder], list[Recorder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (a, b), (c, _) = generations
    written: list[str] = []
    original = type(a).set_tags

    def noting(self: Recorder, **given: str) -> None:
        if "online_status" in given:
            written.append(self.id)
        original(self, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(type(a), "set_tags", noting)
    OnlineToolR(NAME).reset_online_tag([b, c])
    assert sorted(written) == sorted([a.id, c.id])
    OnlineToolR(NAME).reset_online_tag([b, c])
    assert len(written) == 2


def test_two_at_once_are_told_apart(
    generations: tuple[list[Recorder], list[Recorder]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(ledgers, "PATIENCE", 0.2)
    ready = tmp_path / "ready"

    def hold() -> None:
        with OnlineToolR(NAME).ledger().exclusive():
            ready.touch()
            time.sleep(30)

    other = begin(hold)
    while not ready.exists():
        time.sleep(0.01)
    with pytest.raises(OnlineError, match=f"'{NAME}' are being changed by process {other} on"):
        OnlineToolR(NAME).reset_online_tag(generations[1])
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)
    OnlineToolR(NAME).reset_online_tag(generations[1])  # nobody holds what a dead one held


def test_one_that_is_about_to_finish_is_waited_for(
    generations: tuple[list[Recorder], list[Recorder]], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"

    def hold() -> None:
        with OnlineToolR(NAME).ledger().exclusive():
            ready.touch()
            time.sleep(0.5)

    other = begin(hold)
    while not ready.exists():
        time.sleep(0.01)
    OnlineToolR(NAME).reset_online_tag(generations[1])
    assert os.waitpid(other, 0)[1] == 0


def test_before_there_is_a_ledger_the_tags_count(ready_store: None) -> None:
    old, new = made(2)
    old.set_tags(online_status="online")
    tool = OnlineToolR(NAME)
    assert tool.online_models() == [old]
    assert (tool.get_online_tag(old), tool.get_online_tag(new)) == ("online", "offline")
    tool.reset_online_tag(new)
    assert tags() == {old.id: "offline", new.id: "online"}


def test_a_damaged_ledger_is_named(generations: tuple[list[Recorder], list[Recorder]]) -> None:
    (keeper,) = find_recorders(NAME, tags={"wf_kind": "online"}, status=None)
    path = Path(keeper.load_object("online.json", raw="path"))
    path.write_text('{"online": 3}')
    with pytest.raises(BrokenObjectError, match=f"online.json of recorder {keeper.id}"):
        OnlineToolR(NAME).online_models()
