"""A strategy in Dagster: its value, its names, how it looks, its definitions in one call."""
