"""What of an export runs on the host of a GPU: text and the tables of training items, and nothing else."""

from gpu_kernels import operations_without_gpu_kernel
from tensorflow.core.protobuf import saved_model_pb2

TEXT = {"InitializeTableFromTextFileV2", "ShardedFilename", "StaticRegexFullMatch", "StringFormat", "StringJoin"}
CHECKPOINTS = {"MergeV2Checkpoints", "RestoreV2", "SaveV2"}
TRAINING_ITEMS = {
    "RaggedRange(int64)",
    "ResourceGather(int64, int32)",
    "UnsortedSegmentSum(int64, int64)",
    "VarHandleOp(int32)",
}
"""Lists of items that a user has seen, and the popularity of items: whole numbers, gathered for few rows a request."""


def test_only_text_and_training_items_are_on_the_host(version):
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    found = set().union(*(operations_without_gpu_kernel(graph.graph_def) for graph in saved.meta_graphs))
    numeric = {name for name in found if "string" not in name and name.partition("(")[0] not in TEXT | CHECKPOINTS}
    assert numeric == TRAINING_ITEMS
