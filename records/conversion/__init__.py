"""Conversion of raw files to a record set."""
