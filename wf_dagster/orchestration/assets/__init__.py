"""The assets of a strategy, and the signals of all of them."""
