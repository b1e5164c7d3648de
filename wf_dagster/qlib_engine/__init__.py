"""Qlib's expressions and processors, computed in blocks: the values are Qlib's, to the bit."""
