"""Encoders: what stands between towers and score, and the graphs of interactions and of items that they use."""
