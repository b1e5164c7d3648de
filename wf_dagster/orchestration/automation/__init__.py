"""Conditions, schedules and sensors, and the runs that they ask for."""
