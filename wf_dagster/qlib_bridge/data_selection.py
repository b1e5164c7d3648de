"""Qlib's DDG-DA, as it runs here: with the pandas of today, and Qlib's own trainer for its data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from qlib.contrib.meta.data_selection.dataset import InternalData
from qlib.contrib.rolling import ddgda

from wf_dagster.imports.own_names import own_name
from wf_dagster.process import attribute_replaced

# whatever has been put in their places
QlibRolling = own_name("qlib.contrib.rolling.base", "Rolling")
QlibDDGDA = own_name("qlib.contrib.rolling.ddgda", "DDGDA")


class SimilarityData(InternalData):  # type: ignore[misc]
    """How well a model of each period predicts each day, which is what DDG-DA learns from.

    Qlib reads the days from an index that pandas 2 does not give any more, and stops there.
    """

    def _calc_perf(self, pred: pd.Series, label: pd.Series) -> pd.Series:
        """The rank correlation of each day; NaN where it is not defined.

        Args:
            pred: Scores, rows ``(datetime, instrument)``.
            label: Labels, the same kind of rows.
        """
        days = pd.DataFrame({"pred": pred, "label": label}).groupby("datetime")
        return days.corr(method="spearman")["label"].xs("pred", level=-1)


@contextmanager
def similarity_parts() -> Iterator[None]:
    """Inside the block Qlib's module of DDG-DA measures similarity with what can do it.

    Its models of periods are trained where their one handler is, which they hold with all its data,
    and on the period that they predict: Qlib's trainer does it, and no task of this project would.
    """
    trainer = own_name("qlib.model.trainer", "TrainerR")
    with (
        attribute_replaced(ddgda, "InternalData", SimilarityData),
        attribute_replaced(ddgda, "TrainerR", trainer),
    ):
        yield
