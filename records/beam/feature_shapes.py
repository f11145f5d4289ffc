"""What the features of a modality are like, over all parts that they are read in."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.columns import collected
from tf_metammf.records.beam.raw_parts import RawFile
from tf_metammf.records.raw_files.feature_columns import no_features
from tf_metammf.records.token_arrays import TokenArrays


class FeatureShape(NamedTuple):
    """What the features of a modality are like, over all its rows.

    Attributes:
        width: Values of an item, or of each of its tokens.
        dtype: The type they were read as.
        has_tokens: Whether items have token sequences.
        has_times: Whether these have times.
        rows: Items of the file.
        tokens: Tokens of all of them, after thinning.
        most: Tokens of the longest sequence.
    """

    width: int
    dtype: str
    has_tokens: bool = False
    has_times: bool = False
    rows: int = 0
    tokens: int = 0
    most: int = 0

    @classmethod
    def of(cls, features: Any) -> "FeatureShape":
        """That of some rows."""
        width, dtype = features.shape[1], str(features.dtype)
        if not isinstance(features, TokenArrays):
            return cls(width, dtype)
        lengths = features.lengths
        return cls(width, dtype, True, features.has_times, len(lengths), int(lengths.sum()), features.most)

    def joined(self, other: "FeatureShape") -> "FeatureShape":
        """That of both, which are of one kind."""
        rows, tokens = self.rows + other.rows, self.tokens + other.tokens
        return self._replace(rows=rows, tokens=tokens, most=max(self.most, other.most))

    @property
    def kind(self) -> tuple[int, str, bool, bool]:
        """What has to be the same in all rows."""
        return self.width, self.dtype, self.has_tokens, self.has_times


Shapes = dict[str, FeatureShape]
"""By modality."""


def shapes(features: "beam.PCollection[Any]", files: Mapping[str, RawFile], label: str = "shapes") -> Any:
    """The :data:`Shapes` of all modalities, as a side input; different widths are an error of the pipeline."""
    found = features | f"{label}: of parts" >> beam.MapTuple(
        lambda key, rows: (key[0], FeatureShape.of(rows[1]), rows[0][0])
    )
    return collected(found | f"{label}: distinct" >> beam.CombineGlobally(_JoinedShapes()), label, _shapes, dict(files))


def shapes_written(features: "beam.PCollection[Any]", files: Mapping[str, RawFile]) -> "beam.PCollection[Any]":
    """Entries of the kind "shape" for what is written of every modality."""
    return (
        features.pipeline
        | "shapes: once" >> beam.Create([None])
        | "shapes: entries" >> beam.FlatMap(_shape_entries, shapes(features, files, "written shapes"))
    )


def _shape_entries(_: None, found: Shapes) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    for modality, shape in sorted(found.items()):
        yield "shape", modality, 0, shape._asdict()


_Accumulated = dict[tuple[Any, ...], tuple[FeatureShape, str]]
"""By modality and kind: the shape of all rows so far, and one of the items."""


class _JoinedShapes(beam.CombineFn):
    """Joins the shapes of every modality that are of one kind, and keeps an item of each."""

    def create_accumulator(self) -> _Accumulated:
        return {}

    def add_input(self, accumulator: _Accumulated, element: tuple[str, FeatureShape, str]) -> _Accumulated:
        modality, shape, item = element
        return self.merge_accumulators([accumulator, {(modality, *shape.kind): (shape, item)}])

    def merge_accumulators(self, accumulators: Any) -> _Accumulated:
        merged: _Accumulated = {}
        for accumulator in accumulators:
            for key, (shape, item) in accumulator.items():
                merged[key] = (merged[key][0].joined(shape), merged[key][1]) if key in merged else (shape, item)
        return merged

    def extract_output(self, accumulator: _Accumulated) -> _Accumulated:
        return accumulator


def _shapes(found: list[_Accumulated], files: dict[str, RawFile]) -> Shapes:
    shapes: Shapes = {}
    for (modality, *_), (shape, item) in sorted(entry for each in found for entry in each.items()):
        if shapes.setdefault(modality, shape).width != shape.width:
            raise InvalidInputError(
                f'{files[modality].path}: has {shape.width} values for item "{item}", others have '
                f"{shapes[modality].width}. Fix the record."
            )
    for modality, file in files.items():
        if modality not in shapes:
            raise no_features(file.shown, ["its columns"])
    return shapes
