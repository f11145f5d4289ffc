"""How a pipeline divides its work."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PipelineSizes:
    """How a pipeline divides its work; it changes nothing of what is written.

    Attributes:
        partitions: Parts that users, items and pairs are divided into.
        part_bytes: Bytes of a file that are read at once.
        block_rows: Interactions that are sorted at once.
        k_core_rounds: Rounds that a k-core may take; a pipeline has a fixed number of steps.
    """

    partitions: int = 64
    part_bytes: int = 2**24
    block_rows: int = 2**20
    k_core_rounds: int = 10
