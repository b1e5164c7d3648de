"""Errors of this package as failures that Dagster shows without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from wf_dagster.errors import CalendarError, DataError, WfError

PRICE_ERRORS = (DataError, CalendarError)  # of prices that cannot be used as they are now


class UnusablePrices(dg.SkipReason):
    """Why a tick asked for nothing though there may be something to do."""


def skip_for(
    error: WfError, context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext
) -> UnusablePrices:
    """The answer of a tick that meets unusable prices: the next one may find them mended."""
    context.log.warning(str(error))
    return UnusablePrices(str(error))


@contextmanager
def wf_errors_as_failures() -> Iterator[None]:
    """Turn an error that already says what to do into a ``Failure`` that says just that."""
    try:
        yield
    except WfError as error:
        raise dg.Failure(description=str(error)) from None
