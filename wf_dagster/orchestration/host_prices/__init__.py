"""Prices that an asset or a resource of the host gives."""
