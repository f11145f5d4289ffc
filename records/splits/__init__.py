"""Filtering and splitting of interactions."""
