"""Sizes of requests where a server merges them; read by clients, which need no TensorFlow."""

ALLOWED_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Rows that a merged request is padded to; any would do, as the batch dimensions of the graph are free."""

MAX_BATCH_SIZE = ALLOWED_BATCH_SIZES[-1]
"""Rows of a request at most, where a server batches; what clients cut their requests into."""
