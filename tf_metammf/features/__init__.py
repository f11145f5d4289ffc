"""Features of items: modalities of a batch, and where the features of the whole catalogue come from."""
