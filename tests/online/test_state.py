"""The state of what is online: plain values, changed as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wf_dagster.online.online_state import Change, OnlineState


def test_a_switch_changes_only_the_tags_that_change() -> None:
    state = OnlineState(online=("a", "b"), next_online=("c",))
    new = state.switched(["b", "c"], ["d"], "2020-01-02")
    assert new.unmarked == {"a": "offline", "c": "online", "d": "next_online"}
    assert (new.online, new.next_online, new.unlabelled) == (("b", "c"), ("d",), ("a",))
    assert new.generation == 1
    assert new.changes == (Change("2020-01-02", ("b", "c")),)
    assert new.switched(["b", "c"], ["d"], "2020-01-03") is new


def test_what_waits_is_no_change_of_what_serves() -> None:
    state = OnlineState().switched(["a"], (), "2020-01-02")
    waiting = state.switched(["a"], ["b"], "2020-01-03")
    assert waiting.changes == state.changes
    assert waiting.since == "2020-01-02"


def test_of_two_switches_at_one_session_the_last_served() -> None:
    state = OnlineState().switched(["a"], (), "2020-01-02").switched(["b"], (), "2020-01-02")
    assert state.changes == (Change("2020-01-02", ("b",)),)
    assert state.unlabelled == ("a",)


def test_what_served_at_a_session() -> None:
    state = OnlineState().switched(["a"], (), "2020-01-02").switched(["b"], (), "2020-01-06")
    assert state.online_at("2020-01-01") == ()
    assert state.online_at("2020-01-03") == ("a",)
    assert state.online_at("2020-01-06") == ("b",)
    assert state.serving_since("2020-01-03") == ("a", "b")
    assert state.serving_since("2020-01-06") == ("b",)


def test_unfinished_tags_are_not_forgotten_by_the_next_switch() -> None:
    state = OnlineState().switched(["a"], (), "2020-01-02").switched(["b"], (), "2020-01-03")
    assert state.unmarked == {"a": "offline", "b": "online"}


ids = st.lists(st.sampled_from("abcde"), unique=True)


@settings(deadline=None)
@given(st.lists(st.tuples(ids, ids), max_size=6))
def test_the_text_says_it_all(switches: list[tuple[list[str], list[str]]]) -> None:
    state = OnlineState()
    for number, (online, waiting) in enumerate(switches):
        waiting = [i for i in waiting if i not in online]
        state = state.switched(online, waiting, f"2020-01-{number + 2:02d}")
        state = state.at_session(f"2020-01-{number + 2:02d}")
        assert {i for i in "abcde" if state.tag_of(i) == "online"} == set(online)
    assert OnlineState.from_json(state.to_json()) == state
    assert set(state.unlabelled).isdisjoint(())


@pytest.mark.parametrize("text", ["", "[]", "3", '{"online": 3}', '{"online": []}'])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # JSON's own is one
        OnlineState.from_json(text)
