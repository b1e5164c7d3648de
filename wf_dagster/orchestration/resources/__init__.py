"""The Dagster side of MLflow and of the task pool."""
