"""Graphs of users and items: edges, sampled neighbourhoods, propagation."""
