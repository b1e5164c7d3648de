"""Frames of strategies as inputs of assets that go on with them."""
