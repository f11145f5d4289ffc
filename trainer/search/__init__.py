"""Searches of settings: spaces, oracles, trials, reports."""
