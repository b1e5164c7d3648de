"""Where the files of this project are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PRICES = ROOT / "data" / "prices.csv"
REPORT = ROOT / "data" / "report.csv"
