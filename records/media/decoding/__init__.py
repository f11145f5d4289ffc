"""Decoding of media files in worker processes with limits."""
