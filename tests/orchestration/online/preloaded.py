"""What the processes of a test need, imported once."""

import mlflow  # noqa: F401
import sklearn.linear_model  # noqa: F401

import wf_dagster.models  # noqa: F401
