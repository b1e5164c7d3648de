"""Dates of a portfolio that mean two days are refused."""

from __future__ import annotations

import pytest

from wf_dagster.errors import RecordError
from wf_dagster.records.portfolio_config import PortfolioConfig


@pytest.mark.parametrize("name", ["start_time", "end_time"])
def test_a_date_that_is_two_is_refused(name: str) -> None:
    with pytest.raises(RecordError, match=rf"{name}: '02/01/2018' is ambiguous: day and month"):
        PortfolioConfig(**{name: "02/01/2018"})  # type: ignore[arg-type]
