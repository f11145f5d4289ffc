"""Settings of an export that all ways to export share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.reranking_options import RerankingOptions

if TYPE_CHECKING:
    from tf_metammf.export.indices import IndexOptions

DEFAULT_K = 20
"""Places of the signatures whose number of places is fixed."""


@dataclass(frozen=True)
class ExportOptions:
    """How a version is written.

    Attributes:
        k: Places of ``serving_default`` and ``similar_items``, at least 1; capped by the catalogue. Defaults to 20.
        version: Number of the version; None for the next one, ``"timestamp"`` for the seconds since 1970.
        index: How the best items are found; what was measured of it is in ``assets.extra/index.json``. Defaults to
            exactly.
        reranking: How the best items are ordered once more, for diversity or against popularity; it is in
            ``assets.extra/reranking.json``. Defaults to None: by score alone.
        batching: Whether the server will run with ``--enable_batching``; the warm-up of a run's export has only
            requests that it takes then. Defaults to False.
        license: The licence of the model for its model card, such as ``"CC-BY-4.0"``; None for not stated.
        reports: JSON objects to put into ``assets.extra``, by name of the file.
        write_assets: Called with the folder of the SavedModel before it becomes a version, to add files.

    Raises:
        InvalidInputError: ``k`` is below 1.
    """

    k: int = DEFAULT_K
    version: int | Literal["timestamp"] | None = None
    index: "IndexOptions | None" = None
    reranking: RerankingOptions | None = None
    batching: bool = False
    license: str | None = None
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    write_assets: Callable[[Path], None] | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InvalidInputError(f"k is {self.k}, expected at least 1.")

    def adding(
        self, write_assets: Callable[[Path], None], *, reports: Mapping[str, Mapping[str, Any]] | None = None
    ) -> "ExportOptions":
        """The same with files and reports of the export itself; those of the caller are written after them."""
        of_caller = self.write_assets

        def write(folder: Path) -> None:
            write_assets(folder)
            if of_caller is not None:
                of_caller(folder)

        return replace(self, write_assets=write, reports={**(reports or {}), **self.reports})


class ExportFields(TypedDict, total=False):
    """The fields of :class:`ExportOptions` as keywords."""

    k: int
    version: int | Literal["timestamp"] | None
    index: "IndexOptions | None"
    reranking: RerankingOptions | None
    batching: bool
    license: str | None
    reports: Mapping[str, Mapping[str, Any]] | None
    write_assets: Callable[[Path], None] | None


def export_options(options: ExportOptions | None, fields: ExportFields) -> ExportOptions:
    """Options with the fields that were given as keywords."""
    given = {name: value for name, value in fields.items() if name != "reports" or value is not None}
    return replace(options or ExportOptions(), **given)  # type: ignore[arg-type]
