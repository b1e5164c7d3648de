"""Small plots as PNG, drawn without pyplot: safe in threads and workers."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.extras import optional_import

_figures = threading.local()
_BLUE, _ORANGE, _GREY = "#2f6db3", "#d9822b", "#888888"
_DPI = 100


def ic_plot_png(ic: pd.Series, ric: pd.Series | None = None) -> bytes:
    """Daily information coefficients, with their means, as a PNG of 420 x 160 pixels.

    Args:
        ic: Index of days; NaN days are left blank.
        ric: Rank information coefficients of the same days; drawn as a line.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if not hasattr(_figures, "ic_plot"):
        _figures.ic_plot = _IcPlot()
    png: bytes = _figures.ic_plot.draw(ic, ric)
    return png


class _IcPlot:
    """A figure that is drawn anew for each roll: to make a figure takes longer than to draw it."""

    def __init__(self) -> None:
        self._figure, self._axes = _make_canvas(420, 160)
        from matplotlib.ticker import MaxNLocator  # slow to import

        self._axes.yaxis.set_major_locator(MaxNLocator(4))
        self._bars = self._axes.vlines([0], 0, [0], color=_BLUE)
        self._mean = self._axes.axhline(0, color=_BLUE, lw=0.8, ls="--")
        (self._line,) = self._axes.plot([0], [0], color=_ORANGE, lw=0.9)
        # a title of the axes would be placed by measuring every tick label
        self._title = self._figure.text(0.5, 0.94, "", fontsize=7, ha="center", va="center")

    def draw(self, ic: pd.Series, ric: pd.Series | None) -> bytes:
        places = np.arange(len(ic))
        values = _to_floats(ic)
        ranks = np.full(len(ic), np.nan) if ric is None else _to_floats(ric)
        parts = [f"IC {_format_mean(values)}"] + (
            [] if ric is None else [f"rank IC {_format_mean(ranks)}"]
        )
        self._title.set_text(", ".join(parts))
        self._bars.set_segments([[(x, 0), (x, y)] for x, y in zip(places, values, strict=True)])
        self._bars.set_linewidth(max(0.5, min(4, 200 / (len(ic) + 1))))
        finite = values[~np.isnan(values)]
        self._mean.set_ydata([finite.mean() if len(finite) else np.nan] * 2)
        self._line.set_data(np.arange(len(ranks)), ranks)
        heights = np.concatenate([[0.0], finite, ranks[~np.isnan(ranks)]])
        low, high = heights.min(), heights.max()
        margin = 0.05 * (high - low) or 0.05
        self._axes.set_ylim(low - margin, high + margin)
        _label_dates(self._axes, ic.index)
        return _render_png(self._figure)


def cumulative_plot_png(report: pd.DataFrame) -> bytes:
    """Summed daily returns of a portfolio and its benchmark as a PNG of 840 x 360 pixels.

    Args:
        report: A row a day; columns ``return``, ``cost``, ``bench``, as fractions.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _make_canvas(840, 360)
    net = report["return"] - report["cost"]
    lines = {
        "portfolio, after cost": (net, _BLUE),
        "benchmark": (report["bench"], _GREY),
        "excess, after cost": (net - report["bench"], _ORANGE),
    }
    for name, (returns, colour) in lines.items():
        # a benchmark that is not known any more is a line that ends
        axes.plot(returns.cumsum().to_numpy(), color=colour, lw=1.1, label=name)
    axes.set_title("Sum of daily returns", fontsize=8, pad=3)
    if len(report):
        axes.legend(loc="upper left", fontsize=7, frameon=False)
    _label_dates(axes, report.index)
    return _render_png(figure)


def markdown_image(png: bytes, alt: str) -> str:
    """A PNG as a Markdown image that carries its own data.

    Args:
        png: The image.
        alt: Text shown instead of it.
    """
    text = alt.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{text}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


def _make_canvas(width: int, height: int) -> tuple[Any, Any]:
    with optional_import("plots", "a plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    # fixed margins: a layout engine would draw everything twice
    left, bottom, top = 42 / width, 20 / height, 18 / height
    axes = figure.add_axes((left, bottom, 1 - left - 8 / width, 1 - bottom - top))
    axes.tick_params(labelsize=6, length=2, pad=2)
    axes.axhline(0, color=_GREY, lw=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _label_dates(axes: Any, days: pd.Index) -> None:
    if not len(days):
        axes.set_xticks([])
        return
    places = sorted({0, len(days) // 2, len(days) - 1})
    axes.set_xlim(-0.5, len(days) - 0.5)
    axes.set_xticks(places, [str(days[place])[:10] for place in places])
    for place, label in zip(places, axes.get_xticklabels(), strict=True):
        # the outer dates stay inside the image
        outer = "left" if place == 0 else "right" if place == len(days) - 1 else "center"
        label.set_horizontalalignment(outer if len(places) > 1 else "center")


def _to_floats(series: pd.Series) -> Any:
    return series.to_numpy(dtype="float64", na_value=np.nan)


def _format_mean(values: Any) -> str:
    finite = values[~np.isnan(values)]
    return f"{finite.mean():+.3f}" if len(finite) else "unknown"


def _render_png(figure: Any) -> bytes:
    target = io.BytesIO()
    figure.canvas.print_png(target, metadata={"Software": None})
    return target.getvalue()
