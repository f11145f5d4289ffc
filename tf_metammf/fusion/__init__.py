"""Fusions: one vector an item from the features of its modalities, with kernels of its own (MetaMMF) or for all."""
