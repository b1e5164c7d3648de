"""Prices of a Dagster repository, as its runs have last read them."""

from __future__ import annotations

from typing import Any

from wf_dagster.errors import DataError
from wf_dagster.prices.file_listing import PriceFiles
from wf_dagster.prices.files import ParquetPrices
from wf_dagster.prices.price_spool import PriceSpool


class SpooledPrices(ParquetPrices):
    """The prices that runs of strategies read from an asset or a resource, as of the last run.

    Args:
        name: Which prices they are.
        as_of: Replay date; later rows are hidden.
        min_coverage: As of :class:`FrameSource`.
    """

    def __init__(self, name: str, as_of: Any = None, min_coverage: float | None = None) -> None:
        super().__init__(PriceSpool(name).file, as_of, min_coverage)
        self.name = name

    def __repr__(self) -> str:
        return f"SpooledPrices({self.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        # where the file is says nothing of the prices, and the home may be another one there
        return {key: value for key, value in vars(self).items() if key != "path"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.path = PriceSpool(self.name).file

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""
        return {
            "class": "wf_dagster.prices.SpooledPrices",
            "kwargs": {"name": self.name, **self._own_coverage()},
            "as_of": None if self.as_of is None else str(self.as_of.date()),
        }

    def _files(self) -> PriceFiles:
        if not self.path.exists():  # type: ignore[union-attr]  # a path of the home
            raise DataError(
                f"the prices {self.name!r} were not read yet: a run of a strategy that stands on "
                "them reads them when it begins; materialize its `recorders` or `predictions`"
            )
        return super()._files()
