"""The table of signatures in docs/serving.md is what an export has."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
MODALITIES = ("acoustic", "visual")
FIXED_SIZES = {"K": 3, "d": 9, "M": 2}


def documented() -> dict[tuple[str, str, str], tuple[str, list[int | None]]]:
    """Type and shape by signature, direction and name; a modality stands for each."""
    rows = re.findall(
        r"^\| `(\w+)` \| (input|output) \| `([<>\w]+)` \| (\w+) \| \[(.*?)\] \|", DOCUMENT.read_text(), re.M
    )
    return {
        (signature, direction, name.replace("<modality>", modality)): (
            dtype,
            [FIXED_SIZES.get(size) for size in shape.split(", ") if size],
        )
        for signature, direction, name, dtype, shape in rows
        for modality in (MODALITIES if "<" in name else ("",))
    }


def test_names_types_and_shapes_are_as_documented(signatures):
    exported = {
        (signature, direction, name): (spec.dtype.name, spec.shape.as_list())
        for signature, function in signatures.items()
        for direction, specs in (
            ("input", function.structured_input_signature[1]),
            ("output", function.structured_outputs),
        )
        for name, spec in specs.items()
    }
    assert exported == documented()
