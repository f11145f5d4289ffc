"""Auxiliary losses: what a model learns beside its objective."""
