"""Baselines, which are counted and not trained: popularity, and neighbours between items."""
