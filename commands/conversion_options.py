"""Options of a conversion of raw files: its source, filtering, splitting, and what the source takes."""

from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.preference_rule import EXAMPLE
from tf_metammf.records.sources import load_source, source_names
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.preference_splits import HELD_OUT_SHARE
from tf_metammf.records.splits.splitting import Splitting
from tf_metammf.records.thinned_tokens import MOST_TOKENS


def add_conversion_arguments(parser: ArgumentParser) -> None:
    """Adds the source and the way of the data, without where the record set is written."""
    names = source_names()
    parser.add_argument("--source", required=True, type=str, help=f"what the raw data are: {', '.join(names)}")
    parser.add_argument("--input", required=True, type=str, help="the raw data: a folder or a file")
    parser.add_argument("--seed", type=int, default=0, help="seed of the splits and of the order on disk")
    parser.add_argument(
        "--shards", type=int, default=None, help="shards per split and of the items (default: one for every 64 MiB)"
    )
    parser.add_argument(
        "--on_error",
        type=str,
        default="stop",
        help='at a row that cannot be read: "stop", or "skip" it and list it in OUTPUT.rejected.csv',
    )
    parser.add_argument(
        "--most_tokens",
        type=int,
        default=MOST_TOKENS,
        help="tokens that are kept of a sequence; a longer one is thinned evenly over its time",
    )
    parser.add_argument(
        "--stored_dtype",
        type=Literal["float32", "float16"],
        default="float32",
        help="type that features are stored in; float16 takes half the bytes",
    )
    parser.add_argument(
        "--preferences",
        type=str | None,
        help="items that users chose over others: a file with the columns user, chosen, rejected, and maybe weight and "
        f'source; or a rule over columns of the interactions, such as "{EXAMPLE}"',
    )
    parser.add_argument(
        "--preferences_share",
        type=float,
        default=HELD_OUT_SHARE,
        help="share of the preferences that is held out for pair accuracy",
    )


def add_data_arguments(parser: ArgumentParser) -> None:
    """Adds filtering, splitting, and the options of every source."""
    parser.add_class_arguments(Filtering, "filtering")
    parser.add_class_arguments(Splitting, "splitting")
    for name in source_names():
        parser.add_class_arguments(load_source(name).Options, name)


def conversion_settings(arguments: Namespace) -> ConversionSettings:
    """What the options say.

    Raises:
        InvalidInputError: The source is unknown, or an option is one of another source or has a wrong value.
    """
    source = load_source(arguments.source)
    _refuse_options_of_other_sources(arguments)
    return ConversionSettings(
        source.Options(**_values(arguments[arguments.source])),
        Filtering(**_values(arguments.filtering)),
        Splitting(**_values(arguments.splitting)),
        seed=arguments.seed,
        shards=arguments.shards,
        on_error=arguments.on_error,
        most_tokens=arguments.most_tokens,
        stored_dtype=arguments.stored_dtype,
        preferences=arguments.preferences,
        preferences_share=arguments.preferences_share,
    )


def _refuse_options_of_other_sources(arguments: Namespace) -> None:
    for name in source_names():
        if name == arguments.source:
            continue
        defaults = vars(load_source(name).Options())
        for field, value in _values(arguments[name]).items():
            if value != defaults[field]:
                raise InvalidInputError(
                    f"--{name}.{field} is an option of another source than {arguments.source}. Leave it out, or "
                    f"choose --source {name}."
                )


def _values(group: Namespace) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in vars(group).items()}
