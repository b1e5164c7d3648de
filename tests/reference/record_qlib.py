"""Records Qlib's figures for the seeded frames: ``python tests/reference/record_qlib.py``.

Run it where pyqlib 0.9.7 is installed; it needs nothing of this project. The tests compare
``qlib_figures.json`` with what the project computes from the same frames.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import frames
import pandas as pd
import qlib
from qlib.backtest.position import Position
from qlib.contrib.eva.alpha import calc_ic, calc_long_short_return
from qlib.contrib.evaluate import risk_analysis
from qlib.contrib.strategy.signal_strategy import TopkDropoutStrategy
from qlib.model.ens.ensemble import AverageEnsemble, RollingEnsemble, SingleKeyEnsemble
from qlib.model.ens.group import RollingGroup

TARGET = Path(__file__).with_name("qlib_figures.json")


class Selection(TopkDropoutStrategy):
    """The strategy's choice of names alone: everything can be traded at a price of one."""

    def __init__(self, wide: pd.DataFrame, **kwargs: Any) -> None:
        self.wide = wide
        self.day = 0
        self.position = Position(cash=1e6)
        super().__init__(signal=wide.stack(), **kwargs)

    @property
    def trade_calendar(self) -> Any:
        return SimpleNamespace(
            get_trade_step=lambda: self.day,
            get_step_time=lambda *_, **__: (self.wide.index[self.day],) * 2,
            get_freq=lambda: "day",
        )

    @property
    def trade_exchange(self) -> Any:
        return SimpleNamespace(
            is_stock_tradable=lambda **_: True,
            check_order=lambda order: True,
            deal_order=lambda order, position: (order.amount, 0.0, 1.0),
            get_deal_price=lambda **_: 1.0,
            get_factor=lambda **_: 1.0,
            round_amount_by_trade_unit=lambda amount, factor: amount,
        )

    @property
    def trade_position(self) -> Any:
        return self.position

    def held(self) -> list[list[str]]:
        """The names held after each day's trades."""
        made, names = [], set()
        for day in range(len(self.wide)):
            self.day = day
            for order in self.generate_trade_decision().get_decision():
                (names.add if order.direction == order.BUY else names.discard)(order.stock_id)
            self.position = Position(
                cash=1e6, position_dict={n: {"amount": 1.0, "price": 1.0} for n in names}
            )
            for name in names:
                self.position.position[name]["count_day"] = 1
            made.append(sorted(names))
        return made


def plain(frame: Any) -> Any:
    """A frame, a series or a dict as JSON: rows, then values at full precision."""
    if isinstance(frame, dict):
        return {"/".join(k) if isinstance(k, tuple) else k: plain(v) for k, v in frame.items()}
    if isinstance(frame, pd.DataFrame):
        frame = frame.iloc[:, 0]
    rows = [
        [str(p)[:10] for p in row] if isinstance(row, tuple) else str(row)[:10]
        for row in frame.index
    ]
    return {"rows": rows, "values": [None if pd.isna(v) else float(v) for v in frame]}


def figures() -> dict[str, Any]:
    """All figures by name."""
    score, label = frames.signal()
    ic, ric = calc_ic(score, label)
    spread, average = calc_long_short_return(score, label)
    rolls = frames.rolls()
    joined = RollingGroup()(rolls)
    wide = frames.scores_with_gaps()
    return {
        "qlib": qlib.__version__,
        "ic": plain(ic),
        "ric": plain(ric),
        "long_short": plain(spread),
        "long_avg": plain(average),
        "risk_analysis": risk_analysis(frames.returns(), freq="day")["risk"].to_dict(),
        "rolling": plain(joined),
        "rolling_one": plain(RollingEnsemble()({k[1]: v for k, v in rolls.items() if "lgbm" in k})),
        "average": plain(AverageEnsemble()(joined)),
        "average_nested": plain(
            AverageEnsemble()({"a": {"b": joined[("ridge",)]}, "c": joined[("lgbm",)]})
        ),
        "single": {
            name: SingleKeyEnsemble()(value, recursion)
            for name, value, recursion in (
                ("nested", {"a": {"b": {"c": 1}}}, True),
                ("flat", {"a": {"b": {"c": 1}}}, False),
                ("two", {"a": {"b": 1}, "c": {"d": 2, "e": 3}}, True),
                ("empty", {"a": {}}, True),
            )
        },
        "topk": {
            f"{topk},{n_drop}": Selection(wide, topk=topk, n_drop=n_drop).held()
            for topk, n_drop in ((5, 1), (4, 2), (3, 3), (6, 3))
        },
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.stdout.write(f"{TARGET.name} written\n")
    TARGET.write_text(json.dumps(figures(), separators=(",", ":")) + "\n")
