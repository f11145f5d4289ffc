"""Options of the re-ranking, which `export` serves and `evaluate` measures."""

from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    from tf_metammf.export.reranking_options import RerankingOptions


def add_reranking_options(parser: ArgumentParser) -> None:
    """Adds ``--rerank.diversity`` and the others."""
    parser.add_argument(
        "--rerank.diversity",
        type=float,
        default=0.0,
        help="Weight of being unlike the items before, 0 to 1, when the best items are ordered once more. Default: 0.",
    )
    parser.add_argument(
        "--rerank.popularity_discount",
        type=float,
        default=0.0,
        help="Weight of being unpopular, at least 0. Default: 0.",
    )
    parser.add_argument(
        "--rerank.candidates", type=int | None, help="How many of the best items are ordered. Default: 100."
    )
    parser.add_argument(
        "--rerank.similarity",
        type=str | None,
        help="What makes items similar: content, their features, or vectors, those of the model. Default: content.",
    )


def given_reranking(arguments: Namespace) -> "RerankingOptions | None":
    """The re-ranking that is asked for; None for by score alone.

    Raises:
        InvalidInputError: A value is outside its range, or has no effect.
    """
    from tf_metammf.export.reranking_options import RerankingOptions

    values = {name: value for name, value in vars(arguments.rerank).items() if value is not None}
    options = RerankingOptions(**values)
    if options.changes_order:
        return options
    idle = [f"--rerank.{name} {values[name]}" for name in ("candidates", "similarity") if name in values]
    if idle:
        raise InvalidInputError(
            f"{', '.join(idle)} has no effect. Give --rerank.diversity, such as 0.3, or --rerank.popularity_discount."
        )
    return None
