"""Rolls as time-window partitions."""
