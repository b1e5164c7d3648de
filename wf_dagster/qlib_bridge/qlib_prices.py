"""Qlib's data as a price source: ``prices="qlib"``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from wf_dagster.dates import check_range
from wf_dagster.errors import DataError
from wf_dagster.moments import Moments, to_day, to_replay_date
from wf_dagster.qlib_bridge.calendar import sessions_with_data
from wf_dagster.qlib_bridge.options import DAILY, QlibOptions, name_of
from wf_dagster.qlib_bridge.session import provider_uri
from wf_dagster.qlib_engine import provider_closes
from wf_dagster.qlib_engine.provider_files import content_digest, data_version
from wf_dagster.tasks.instrument_names import to_names

_FIELDS = ("open", "high", "low", "close", "volume", "factor")


class QlibPrices:
    """Values of Qlib's data, adjusted as they are there.

    Args:
        options: What Qlib is initialised with.
        as_of: Replay date: later rows are hidden.
        freq: Of the data, such as ``"30min"``.

    Raises:
        TaskError: pyqlib is not installed.
        SettingsError: The options name data that are not there.
    """

    _freq = DAILY  # of one that was pickled before sources had a frequency

    def __init__(self, options: QlibOptions, as_of: Any = None, freq: str = DAILY) -> None:
        self.as_of = to_replay_date(as_of) if as_of else None
        self._options = options
        self._freq = freq
        self._uri = provider_uri(options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # one that was pickled before sources had options
        options = QlibOptions(arguments={"provider_uri": state["_uri"]})
        self.__dict__.update({"_options": options, **state})

    def __repr__(self) -> str:
        return "QlibPrices()" if self._freq == DAILY else f"QlibPrices(freq={self._freq!r})"

    def at(self, as_of: Any) -> QlibPrices:
        """The same source with another replay date; ``None`` hides nothing."""
        return QlibPrices(self._options, as_of, self._freq)

    def load(
        self,
        fields: Sequence[str] | None = None,
        instruments: Sequence[str] | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Prices: rows ``(datetime, instrument)``, sorted and unique; float64 columns.

        Args:
            fields: Qlib's fields, without the dollar sign; default prices, volume and factor.
            instruments: Default all.
            start: First date, or bar.
            end: Last date, or bar.

        Raises:
            DataError: The instruments are no names or select nothing, or the dates are reversed.
        """
        instruments = None if instruments is None else to_names(instruments)
        check_range(start, end)
        from qlib.data import D  # slow to import, as the next

        from wf_dagster.qlib_engine.raw_cache import current_version

        current_version()  # what Qlib remembers of other data is forgotten
        names = list(fields or _FIELDS)
        days = self.sessions()
        moments = Moments.of(days)
        first, last = None if start is None else to_day(start), days[-1]
        if start is not None and moments.are_bars:
            first = pd.Timestamp(moments.locate(start))
        if end is not None:
            last = min(pd.Timestamp(moments.locate(end, "end")), last).as_unit("ns")
        universe = D.instruments("all") if instruments is None else instruments
        frame: pd.DataFrame = D.features(
            universe, [f"${name}" for name in names], first, last, freq=self._freq
        )
        if frame.empty and instruments is not None:
            raise DataError(f"the instruments {instruments[:5]} select nothing of {self!r}")
        frame.columns = pd.Index(names)
        frame = frame.swaplevel().sort_index().astype("float64")
        return frame.rename_axis(index=["datetime", "instrument"])

    def sessions(self) -> pd.DatetimeIndex:
        """All sessions of which there are data."""
        days = sessions_with_data(self._options, self._freq)
        return days if self.as_of is None else days[days.normalize() <= self.as_of]

    def last_session(self) -> pd.Timestamp:
        """The last session of which there are data."""
        last: pd.Timestamp = self.sessions()[-1]
        return last

    def version(self) -> str:
        """Changes when any file changes, and with ``as_of``."""
        return f"{data_version(self._uri)}@{'' if self.as_of is None else self.as_of.date()}"

    def content(self, until: pd.Timestamp) -> str:
        """Identifies the daily values up to a session; the same when later ones come."""
        return content_digest(self._uri, until)

    def close_digests(self) -> pd.Series[Any]:
        """A digest of the closes of each session (uint64)."""
        digests = provider_closes.close_digests(self._uri)
        return digests[digests.index <= self.last_session()]

    def closes(self, start: pd.Timestamp) -> pd.Series[Any]:
        """The closes from a session on: rows ``(datetime, instrument)``, none missing."""
        closes = provider_closes.read_closes(self._uri, start)
        return closes[closes.index.get_level_values("datetime") <= self.last_session()]

    def spec(self) -> dict[str, Any]:
        """Plain values from which ``price_source`` makes the source again."""
        return {
            "path": name_of(self._freq),
            "as_of": None if self.as_of is None else f"{self.as_of:%Y-%m-%d}",
        }
