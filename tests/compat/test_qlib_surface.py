"""No public name of Qlib's workflow is missing here without a line that says why."""

from __future__ import annotations

import difflib

import pytest

pytest.importorskip("qlib", reason="pyqlib is not installed: the extra 'qlib'")

from tests.compat.record_qlib_surface import (
    FILE,
    STATUSES,
    parameter_differences,
    reasons,
    table,
    unexplained,
)

RENEW = "renew the page with: python -m tests.compat.record_qlib_surface"


def test_every_difference_has_a_line_and_every_line_a_difference():
    assert unexplained() == []


def test_every_line_says_which_kind_of_difference_it_is_and_why():
    for name, reason in reasons().items():
        assert reason["status"] in STATUSES, name
        assert reason["why"].strip(), name


def test_the_page_is_what_both_packages_say():
    now, recorded = table(), FILE.read_text()
    changes = "\n".join(
        difflib.unified_diff(recorded.splitlines(), now.splitlines(), "page", "now", "", "", 1)
    )
    assert now == recorded, f"{changes}\n{RENEW}"


def test_what_a_caller_would_notice_is_a_difference():
    def theirs(a, b=1, *, c=None, **kwargs): ...
    def same(a=None, b=1, more=2, *, c=None, **kwargs): ...
    def moved(b, a, **kwargs): ...
    def named(a, *, b=1, c=None): ...
    def needy(a, new, b=1, *, c=None, **kwargs): ...
    def changed(a, b=2, *, c=None, **kwargs): ...
    def lacking(a): ...

    assert parameter_differences(theirs, same) == []
    assert parameter_differences(theirs, moved) == [
        "`a` is parameter 2",
        "`b` is parameter 1",
        "`b`",
    ]
    assert parameter_differences(theirs, named) == ["`b` by name only", "no `**kwargs`"]
    assert parameter_differences(theirs, needy) == ["`b` is parameter 3", "`new` is required"]
    assert parameter_differences(theirs, changed) == ["`b=2`"]
    assert parameter_differences(theirs, lacking) == ["no `b`", "no `c`", "no `**kwargs`"]


def test_a_list_as_default_is_a_tuple_or_none():
    def theirs(a=[], b={}, c=[5], d={"x"}): ...  # noqa: B006
    def ours(a=(), b=None, c=(5,), d=("x",)): ...
    def others(a=None, b=None, c=(6,), d=("x",)): ...

    assert parameter_differences(theirs, ours) == []
    assert parameter_differences(theirs, others) == ["`c=(6,)`"]
