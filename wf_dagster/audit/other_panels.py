"""What a dataset computes from other later prices, and from none."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from wf_dagster.audit.altered_prices import AlteredPrices
from wf_dagster.data import Panel, PanelDataset
from wf_dagster.data.feature_check import describe_names
from wf_dagster.data.panel import compute_panel


class OtherPanels:
    """The panels of a dataset on prices that are other ones after a date.

    Args:
        dataset: Says what is computed.
        prices: Rows ``(datetime, instrument)``.
        after: The date.
        seed: Of the random prices.
    """

    def __init__(
        self, dataset: PanelDataset, prices: pd.DataFrame, after: pd.Timestamp, seed: int
    ) -> None:
        self._dataset = dataset
        self._altered_prices = AlteredPrices(prices, after, seed)
        self._after = after

    @cached_property
    def altered(self) -> Panel:
        """That of random later prices."""
        return self._compute(self._altered_prices)

    @cached_property
    def ending(self) -> Panel:
        """That of no later prices. It costs as much again, and is computed where it is asked."""
        return self._compute(self._altered_prices.at(self._after))

    def describe_changed_names(self, panel: Panel) -> str:
        """Which columns other later prices bring or take away, as a sentence; else nothing."""
        of_altered, real = ([str(name) for _, name in p.columns] for p in (self.altered, panel))
        new, gone = sorted({*of_altered} - {*real}), sorted({*real} - {*of_altered})
        if not new and not gone:
            return ""
        names = describe_names(new, gone, "the prices as they are")
        return (
            "the names of columns depend on later prices: computed with other prices after "
            f"{self._after:%Y-%m-%d} {names}"
        )

    def _compute(self, prices: AlteredPrices) -> Panel:
        dataset = self._dataset
        return compute_panel(prices, dataset.features, dataset.label, dataset.instruments)
