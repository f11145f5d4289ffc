"""Make a record set of synthetic micro-videos that call for dynamic fusion, as vectors or as token sequences."""

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.next_command import print_next
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.synthesis.synthetic_sequences import Pattern, SyntheticSequences
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos

if TYPE_CHECKING:
    from tf_metammf.records.synthesis.synthesis import SyntheticData


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf records synthesize``."""
    parser.add_argument("--output", type=Path, required=True, help="The record set or folder of clips to create.")
    parser.add_argument(
        "--videos",
        action="store_true",
        help="Write real clips with interactions instead, for records convert --source videos.",
    )
    parser.add_class_arguments(SyntheticVideos)
    parser.add_argument(
        "--sequences",
        choices=get_args(Pattern),
        metavar="PATTERN",
        help="Make token sequences instead, in which this is what users respond to: a moment, or the order. One of "
        f"{', '.join(get_args(Pattern))}.",
    )
    defaults = SyntheticSequences()
    parser.add_argument("--frames", type=int, default=defaults.frames, help="Visual tokens, with --sequences.")
    parser.add_argument("--rate", type=float, default=defaults.rate, help="Visual tokens a second.")
    parser.add_argument("--sound_rate", type=float, default=defaults.sound_rate, help="Acoustic tokens a second.")


def run(arguments: Namespace) -> int:
    """Writes the record set and the kinds of its items, and prints the best metrics that can be reached on it."""
    videos = SyntheticVideos(**{field.name: arguments[field.name] for field in fields(SyntheticVideos)})
    sequences = _sequences(arguments) if arguments.sequences else None
    import_tensorflow()
    from tf_metammf.records.staging import require_absent
    from tf_metammf.records.synthesis.best_reachable import best_reachable
    from tf_metammf.records.synthesis.synthesis import synthesize
    from tf_metammf.records.synthesis.synthetic_kinds import kinds_file, write_kinds
    from tf_metammf.records.writer import write_record_set

    kinds = kinds_file(arguments.output)
    require_absent(arguments.output)
    if sequences is not None and arguments.videos:
        return _write_sequence_clips(sequences, arguments.output)
    if sequences is not None:
        return _write_sequences(sequences, arguments.output)
    if arguments.videos:
        return _write_videos(synthesize(videos), arguments.output)
    require_absent(kinds)
    data = synthesize(videos)
    reachable = best_reachable(data)
    raw = replace(data.raw, provenance={**data.raw.provenance, "best_reachable": reachable})
    write_record_set(raw, data.splits, arguments.output, seed=videos.seed, show_progress=True)
    write_kinds(data, kinds)
    print(f"{arguments.output}: {videos.users:,} users, {videos.items:,} items, {len(raw.interactions):,} interactions")
    print(f"{kinds}: the kinds of the items, for compare --kinds")
    _print_reachable(reachable)
    print_next("train", "--records", arguments.output, "--run", "run")
    return 0


def _sequences(arguments: Namespace) -> SyntheticSequences:
    """The options of sequences.

    Raises:
        InvalidInputError: An option is given that sequences do not have.
    """
    known = [field.name for field in fields(SyntheticSequences) if field.name != "pattern"]
    others = [
        field.name
        for field in fields(SyntheticVideos)
        if field.name not in known and arguments[field.name] != field.default
    ]
    if others:
        given = ", ".join(f"--{name}" for name in others)
        raise InvalidInputError(f"{given}: not with --sequences, whose items have two modalities of tokens. Leave out.")
    return SyntheticSequences(pattern=arguments.sequences, **{name: arguments[name] for name in known})


def _write_sequences(sequences: SyntheticSequences, output: Path) -> int:
    from tf_metammf.records.synthesis.best_reachable import best_reachable
    from tf_metammf.records.synthesis.sequence_synthesis import synthesize_sequences
    from tf_metammf.records.writer import write_record_set

    data = synthesize_sequences(sequences)
    reachable = best_reachable(data)
    raw = replace(data.raw, provenance={**data.raw.provenance, "best_reachable": reachable})
    write_record_set(raw, data.splits, output, seed=sequences.seed, show_progress=True)
    print(
        f"{output}: {sequences.users:,} users, {sequences.items:,} items of {sequences.frames} frames and "
        f"{sequences.sounds} sounds, {len(raw.interactions):,} interactions"
    )
    _print_reachable(reachable)
    return 0


def _write_sequence_clips(sequences: SyntheticSequences, output: Path) -> int:
    from tf_metammf.records.media.extraction import require_av
    from tf_metammf.records.synthesis.best_reachable import best_reachable
    from tf_metammf.records.synthesis.sequence_clips import require_clips, write_sequence_clips
    from tf_metammf.records.synthesis.sequence_synthesis import synthesize_sequences

    require_av()
    require_clips(sequences)
    data = synthesize_sequences(sequences)
    write_sequence_clips(data, sequences, output, show_progress=True)
    print(f"{output}: clips of {sequences.items:,} items of {sequences.frames} frames, items.csv, interactions.csv")
    _print_reachable(best_reachable(data))
    return 0


def _write_videos(data: "SyntheticData", output: Path) -> int:
    from tf_metammf.records.media.extraction import require_av
    from tf_metammf.records.synthesis.best_reachable import best_reachable
    from tf_metammf.records.synthesis.rendered_clips import write_rendered_clips

    require_av()
    write_rendered_clips(data, output, show_progress=True)
    print(f"{output}: clips and covers of {len(data.raw.item_ids):,} items, items.csv, interactions.csv, kinds.csv")
    _print_reachable(best_reachable(data))
    return 0


def _print_reachable(reachable: dict[str, float]) -> None:
    print("best reachable on test: " + ", ".join(f"{name} {value:.4f}" for name, value in reachable.items()))
