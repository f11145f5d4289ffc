"""A video that is in no catalogue: its features, its places in rankings, what it comes from, and what is like it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.connection_options import client_of
from tf_metammf.commands.json_output import print_json
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import print_table, visible

if TYPE_CHECKING:
    from tf_metammf.export.client import Client


_SHOWN = 10
"""Similar videos that are printed; JSON has all."""


_OTHERS = ("history", "all_users", "users", "output", "exclude_items")
"""Options that ask for something else."""


def add_new_video_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments that ``recommend`` has for a video that is not in the catalogue."""
    parser.add_argument(
        "--new_video",
        type=Path,
        metavar="FILE",
        help="A video that is not in the catalogue: print its place in the ranking of each user, the share of each "
        "modality, and the most similar videos. Its features are extracted as those of the model's data were.",
    )
    for text in ("title", "description", "tags"):
        parser.add_argument(f"--{text}", type=str, default="", help=f"The {text} of the new video.")
    parser.add_argument(
        "--encoder_settings",
        type=dict[str, dict[str, Any]],
        default={},
        help="Settings of the encoders of the new video that differ from those of the data, such as where weights are, "
        "as {visual: {weights: resnet50.h5}}.",
    )


def run_new_video(arguments: Namespace) -> int:
    """Asks about a new video and prints the answer."""
    if arguments.endpoint is not None or arguments.model is None:
        raise InvalidInputError(
            "new_video needs the exported folder, which says how features were extracted. Give it with --model and "
            "without --endpoint."
        )
    for name in _OTHERS:
        if arguments[name]:
            raise InvalidInputError(f"{name} and new_video are both given, expected one of them. Leave one out.")
    from tf_metammf.export.versions import exported_version

    with client_of(arguments) as client:
        answer = ask_about(
            client,
            exported_version(Path(arguments.model), arguments.version),
            arguments.new_video,
            users=arguments.user,
            title=arguments.title,
            description=arguments.description,
            tags=arguments.tags,
            settings=arguments.encoder_settings,
        )
    if arguments.json:
        print_json(vars(answer))
    else:
        print_answer(answer)
    return 0


@dataclass(frozen=True)
class NewVideoAnswer:
    """What a model says of a new video.

    Attributes:
        video: The file.
        users: Raw ids of the users that were asked for.
        known: Of every user whether the model knows it.
        ranks: Place of the video among what each user has not seen, from 1.
        scores: Its score for each user.
        shares: Share of each modality in its fused vector.
        attention: By modality the moments that the fusion attends to, pairs of seconds and weight; empty where it has
            no attention over time.
        similar: Raw ids of the videos most like it, best first.
        cosines: Their cosines.
        problems: By modality why the video has none.
    """

    video: str
    users: list[str]
    known: list[bool] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    attention: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    similar: list[str] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def ask_about(
    client: "Client",
    model: Path,
    video: Path,
    *,
    users: Sequence[str],
    title: str = "",
    description: str = "",
    tags: str = "",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    download: bool = False,
) -> NewVideoAnswer:
    """Extracts the features of a video as those of the model's data were, and asks the model about it.

    Args:
        client: Of the exported model, here or on a server.
        model: The version directory of the export, which says what made the features of its data.
        video: The file; a cover and subtitles beside it count too.
        users: Raw ids of users.
        title: Its title.
        description: Its description.
        tags: Its tags.
        settings: Settings of encoders by modality, such as where weights are on this machine.
        download: Whether encoders may fetch weights.

    Raises:
        InvalidInputError: The model's features were not extracted from media, an encoder is another one now, or no
            modality of the video could be extracted.
    """
    from tf_metammf.export.answers import recommendations
    from tf_metammf.export.new_clips import features_of_clip, inputs_of_clip
    from tf_metammf.export.request_inputs import feature_inputs
    from tf_metammf.records.media.clip_features import clip_item

    item = clip_item(video, title=title, description=description, tags=tags)
    found = features_of_clip(model, item, settings=settings, download=download)
    features = inputs_of_clip(found, client.signature("explain_new_items"))
    (shares,) = client.explain_new_items(features)
    inputs = feature_inputs(client.signature("similar_to_new_items"), features, None)
    found_similar = client.predict("similar_to_new_items", inputs)
    (similar,) = recommendations([str(video)], {**found_similar, "known": found_similar["valid"]})
    answer = NewVideoAnswer(
        video=str(video),
        users=[str(user) for user in users],
        shares=shares.shares,
        attention={name: [(at.seconds, at.weight) for at in moments] for name, moments in shares.attention.items()},
        similar=similar.item_ids,
        cosines=[float(score) for score in similar.scores],
        problems={
            modality: problem.reason for modality, problem in found.problems.items() if modality not in found.vectors
        },
    )
    if users:
        places = client.place_of_new_items(users, features)
        answer.known.extend(bool(known) for known in places.known)
        answer.ranks.extend(int(rank) for rank in places.ranks[:, 0])
        answer.scores.extend(float(score) for score in places.scores[:, 0])
    return answer


def print_answer(answer: NewVideoAnswer) -> None:
    """Prints an answer as tables."""
    from rich.table import Table

    if answer.users:
        table = Table()
        for heading in ("user", "rank", "score"):
            table.add_column(heading, justify="left" if heading == "user" else "right")
        rows = zip(answer.users, answer.known, answer.ranks, answer.scores, strict=True)
        for user, known, rank, score in rows:
            table.add_row(visible(user), *((f"{rank:,}", f"{score:.4f}") if known else ("", "unknown")))
        print_table(table)
    shares = ", ".join(f"{modality} {share:.0%}" for modality, share in answer.shares.items())
    print(f"modalities: {shares}")
    moments = [(weight, seconds, name) for name, found in answer.attention.items() for seconds, weight in found]
    if moments:
        shown = (
            f"{name} at {seconds:.1f} s ({weight:.0%})"
            for weight, seconds, name in sorted(moments, reverse=True)[:_SHOWN]
        )
        print("most attention: " + ", ".join(shown))
    for modality, reason in answer.problems.items():
        print(f"without {modality}: it {reason}")
    pairs = list(zip(answer.similar, answer.cosines, strict=True))[:_SHOWN]
    print("most similar: " + ", ".join(f"{visible(item)} ({cosine:.2f})" for item, cosine in pairs))
