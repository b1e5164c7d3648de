"""Thin adapters that let scikit-learn and LightGBM train on datasets."""

from wf_dagster.models.lightgbm_model import LightGBMModel
from wf_dagster.models.sklearn_model import SklearnModel

__all__ = ["LightGBMModel", "SklearnModel"]
