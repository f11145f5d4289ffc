"""Preferences that a reward model or a program gives to pairs of items that a run recommends."""
