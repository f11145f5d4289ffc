"""Configurations: their fields, files, presets and messages."""
