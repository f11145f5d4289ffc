"""Optimizers for models with large embedding tables."""
