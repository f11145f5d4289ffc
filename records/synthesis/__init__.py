"""Synthetic record sets, and the best metrics that can be reached on them."""
