"""Dates of a handler that mean two days are refused before Qlib reads them as one."""

from __future__ import annotations

import pytest

from wf_dagster.errors import DataError


def test_a_date_that_is_two_is_refused() -> None:
    from wf_dagster.qlib_bridge.handler_configs import check_handler_dates  # Qlib comes along

    handler = {"kwargs": {"start_time": "02/01/2018", "end_time": None}}
    with pytest.raises(DataError, match=r"handler\.kwargs\.start_time: '02/01/2018' is ambiguous"):
        check_handler_dates(handler, {"train": ("2018-01-02", "2018-06-29")})
