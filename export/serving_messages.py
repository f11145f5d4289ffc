"""The messages of TensorFlow Serving's gRPC interface that a client needs, without TensorFlow.

``tensorflow-serving-api`` has them too, but its import loads all of TensorFlow. On the wire, a message is the numbers
and types of its fields, which are stable. They are those of TensorFlow's ``tensor.proto``, ``tensor_shape.proto`` and
``meta_graph.proto``, and of TensorFlow Serving's ``predict.proto``, ``model.proto``, ``get_model_metadata.proto`` and
``get_model_status.proto``. Fields that are not listed are ignored.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
"""Names of the states of a version by their numbers."""

_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Dim": {"size": (1, "int64")},
    "TensorShape": {"dim": (2, "repeated Dim"), "unknown_rank": (3, "bool")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "repeated float"),
        "double_val": (6, "repeated double"),
        "int_val": (7, "repeated int32"),
        "string_val": (8, "repeated bytes"),
        "scomplex_val": (9, "repeated float"),
        "int64_val": (10, "repeated int64"),
        "bool_val": (11, "repeated bool"),
        "dcomplex_val": (12, "repeated double"),
        "half_val": (13, "repeated int32"),
        "uint32_val": (16, "repeated uint32"),
        "uint64_val": (17, "repeated uint64"),
    },
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32"), "tensor_shape": (3, "TensorShape")},
    "SignatureDef": {"inputs": (1, "map TensorInfo"), "outputs": (2, "map TensorInfo")},
    "SignatureDefMap": {"signature_def": (1, "map SignatureDef")},
    "Int64Value": {"value": (1, "int64")},
    "Any": {"type_url": (1, "string"), "value": (2, "bytes")},
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "map Tensor")},
    "PredictResponse": {"outputs": (1, "map Tensor")},
    "GetModelMetadataRequest": {"model_spec": (1, "ModelSpec"), "metadata_field": (2, "repeated string")},
    "GetModelMetadataResponse": {"metadata": (2, "map Any")},
    "GetModelStatusRequest": {"model_spec": (1, "ModelSpec")},
    "Status": {"error_code": (1, "int32"), "error_message": (2, "string")},
    "ModelVersionStatus": {"version": (1, "int64"), "state": (2, "int32"), "status": (3, "Status")},
    "GetModelStatusResponse": {"model_version_status": (1, "repeated ModelVersionStatus")},
}
"""Number and type of every field by name, by message. Enumerations are their numbers; keys of maps are text."""

_PACKAGE = "tf_metammf.serving"


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="tf_metammf/serving.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, words) in fields.items():
            _add_field(message, field, number, words)
    # In a separate pool, it cannot collide with what TensorFlow registers in the same process.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS}


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, words: str) -> None:
    kind = descriptor_pb2.FieldDescriptorProto
    *manner, type_name = words.split()
    label = kind.LABEL_REPEATED if manner else kind.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    if manner == ["map"]:
        # A map is a list of pairs.
        entry = message.nested_type.add(name="".join(map(str.capitalize, name.split("_"))) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, type_name)
        field.type, field.type_name = kind.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{entry.name}"
    elif type_name in _FIELDS:
        field.type, field.type_name = kind.TYPE_MESSAGE, f".{_PACKAGE}.{type_name}"
    else:
        field.type = kind.Type.Value(f"TYPE_{type_name.upper()}")


_CLASSES = _classes()

Tensor = _CLASSES["Tensor"]
SignatureDefMap = _CLASSES["SignatureDefMap"]
ModelSpecMessage = _CLASSES["ModelSpec"]
PredictRequest, PredictResponse = _CLASSES["PredictRequest"], _CLASSES["PredictResponse"]
GetModelMetadataRequest = _CLASSES["GetModelMetadataRequest"]
GetModelMetadataResponse = _CLASSES["GetModelMetadataResponse"]
GetModelStatusRequest = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse = _CLASSES["GetModelStatusResponse"]
