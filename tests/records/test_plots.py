"""Plots are PNG files of the size they promise."""

from __future__ import annotations

import base64
import io
import sys

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from wf_dagster.records import cumulative_plot_png, ic_plot_png, markdown_image

DAYS = pd.bdate_range("2021-03-01", periods=7, name="datetime")
IC = pd.Series([0.1, np.nan, -0.2, 0.05, 0.0, 0.3, np.nan], DAYS)
REPORT = pd.DataFrame({"return": 0.01, "cost": 0.001, "bench": 0.002}, DAYS)


def _pixels(png):
    return matplotlib.image.imread(io.BytesIO(png), format="png")


@pytest.mark.parametrize("count", [7, 1, 0])
@pytest.mark.parametrize("ranks", [True, False])
def test_a_plot_of_coefficients_has_420_by_160_pixels(count, ranks):
    ic = IC.iloc[:count]
    assert _pixels(ic_plot_png(ic, ic if ranks else None)).shape[:2] == (160, 420)


def test_a_plot_of_unknown_coefficients_can_be_drawn():
    assert _pixels(ic_plot_png(IC * np.nan, IC * np.nan)).shape[:2] == (160, 420)


@pytest.mark.parametrize("count", [7, 1, 0])
def test_a_plot_of_returns_has_840_by_360_pixels(count):
    assert _pixels(cumulative_plot_png(REPORT.iloc[:count])).shape[:2] == (360, 840)


def test_values_are_drawn():
    """Another series is another image; the same one is the same bytes."""
    assert ic_plot_png(IC) == ic_plot_png(IC)
    assert ic_plot_png(IC) != ic_plot_png(-IC)
    assert cumulative_plot_png(REPORT) != cumulative_plot_png(-REPORT)


def test_nothing_is_left_in_pyplot():
    ic_plot_png(IC)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_a_markdown_image_carries_the_png():
    png = ic_plot_png(IC)
    text = markdown_image(png, "IC of [a]\nroll")
    assert text.startswith("![IC of (a) roll](data:image/png;base64,")
    assert base64.b64decode(text.rpartition(",")[2].rstrip(")")) == png
