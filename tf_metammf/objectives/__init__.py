"""Objectives: what turns embeddings of users and items into a loss."""
