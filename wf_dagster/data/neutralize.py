"""Neutralising by group: what is left of a value without what its group has in common."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from wf_dagster.data.processor import GroupProcessor
from wf_dagster.errors import DataError
from wf_dagster.log_once import warn_once

_log = logging.getLogger(__name__)


class CSNeutralize(GroupProcessor):
    """Each day: minus the mean of the row's group, such as its industry, on that day.

    Rows without a group are a group of their own, so that none is lost; a row that is alone in
    its group becomes 0. Both are counted in the log.

    Args:
        group: A column of the prices, text or numbers.
        fields_group: As in :class:`Processor`; default the features.
    """

    def __init__(self, group: str = "industry", fields_group: str | None = "feature") -> None:
        super().__init__(group, fields_group)

    def __call__(self, frame: pd.DataFrame, groups: pd.Series | None = None) -> pd.DataFrame:
        """Subtract; the mean of a group is that of its values, whatever is missing beside them.

        Args:
            frame: Rows ``(datetime, instrument)``.
            groups: The group of each row; NaN where it has none.

        Raises:
            DataError: There are no groups.
        """
        if groups is None or len(groups) != len(frame):
            raise DataError(
                f"CSNeutralize is given no {self.group!r} for its rows: use it in a PanelDataset, "
                "or call it with groups=, a series with the rows of the frame"
            )
        days = pd.factorize(frame.index.get_level_values("datetime"))[0]
        code, names = pd.factorize(np.asarray(groups, dtype=object))
        cell = pd.factorize(days * (len(names) + 1) + code + 1)[0]
        values = pd.DataFrame(self._values(frame))
        means = values.groupby(cell).transform("mean").to_numpy()
        self._report(code, cell)
        return self._replace(frame, values.to_numpy() - means)

    def _report(self, code: np.ndarray, cell: np.ndarray) -> None:
        without = int((code < 0).sum())
        alone = int((np.bincount(cell) == 1).sum()) if len(cell) else 0
        if without or alone:
            warn_once(
                _log,
                f"CSNeutralize: of {len(cell)} rows {without} have no {self.group} (they are a "
                f"group of their own), and {alone} are alone in their group on their day (they "
                "become 0)",
            )
