"""Measurements. Every module is a program: ``python -m benchmarks.NAME``."""
