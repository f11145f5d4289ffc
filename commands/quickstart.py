"""Run all steps once on synthetic videos: data, training, evaluation, export, recommendations."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import print_table

if TYPE_CHECKING:
    from tf_metammf.records.synthesis.synthesis import SyntheticData
    from tf_metammf.trainer.configuration.configuration import Configuration

# One generated layer against the strongest of the static perceptrons that were tried: see benchmarks/dynamic_fusion.py.
FUSIONS: dict[str, dict[str, Any]] = {
    "metammf": {"units": [32], "meta_units": 16, "rank": 32},
    "concatenation": {"units": [128, 64, 32]},
}
USERS, ITEMS = 3000, 3000
CLIP_USERS, CLIPS = 4000, 2000
"""With real clips, which take longer to make than vectors."""
METRICS = ("recall@20", "ndcg@20", "warm/recall@20", "cold/recall@20", "cold/ndcg@20")
CLIPS_FOLDER = "clips"
ASKED_USERS = ("u0", "u1", "u2")


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf quickstart``."""
    parser.add_argument("--output", type=Path, default=Path("quickstart"), help="The folder to create.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the data and of both trainings.")
    parser.add_argument("--users", type=int, default=None, help=f"Number of synthetic users (default: {USERS:,}).")
    parser.add_argument("--items", type=int, default=None, help=f"Number of synthetic items (default: {ITEMS:,}).")
    parser.add_argument("--epochs", type=int, default=25, help="Maximum epochs of each training.")
    parser.add_argument(
        "--videos",
        action="store_true",
        help=f"Begin with real clips, {CLIPS:,} by default for {CLIP_USERS:,} users, and extract their features.",
    )


def run(arguments: Namespace) -> int:
    """Goes the way and prints what came of it."""
    if arguments.videos:
        from tf_metammf.records.media.extraction import require_av

        require_av()
    import_tensorflow()
    from tf_metammf.export.client import Client
    from tf_metammf.export.saved_model import export_run
    from tf_metammf.records.staging import require_absent

    folder: Path = arguments.output
    require_absent(folder)
    users, items = (CLIP_USERS, CLIPS) if arguments.videos else (USERS, ITEMS)
    users = users if arguments.users is None else arguments.users
    items = items if arguments["items"] is None else arguments["items"]
    if users < len(ASKED_USERS):
        raise InvalidInputError(f"users is {users}, expected at least {len(ASKED_USERS)}.")
    print("1. synthetic micro-videos, written and validated")
    comparison = compare(
        folder, seed=arguments.seed, users=users, items=items, epochs=arguments.epochs, as_clips=arguments.videos
    )
    print("4. export of MetaMMF, and queries to the SavedModel")
    version = export_run(comparison.runs["metammf"], folder / "model")
    client = Client(version)
    _print_recommendations(client)
    if arguments.videos:
        from tf_metammf.commands.quickstart_clips import ask_with_a_new_clip

        ask_with_a_new_clip(client, version, comparison.data, folder, users=ASKED_USERS)
    else:
        _print_new_item(client, comparison.data)
    _print_comparison(comparison)
    if arguments.videos:
        print(f"clips       {folder / CLIPS_FOLDER}")
    print(f"record set  {folder / 'videos'}")
    for name in FUSIONS:
        print(f"run         {folder / name}")
    print(f"SavedModel  {version}")
    return 0


@dataclass
class Comparison:
    """What the quickstart compares.

    Attributes:
        data: The synthetic micro-videos.
        runs: Run directories by fusion.
        metrics: Test metrics by ranking: the fusions, popularity and the true preferences.
    """

    data: "SyntheticData"
    runs: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)


def compare(
    folder: Path,
    *,
    seed: int,
    users: int = USERS,
    items: int = ITEMS,
    epochs: int = 25,
    verbose: int | None = None,
    fusions: dict[str, Any] = FUSIONS,
    as_clips: bool = False,
) -> Comparison:
    """Synthesises a record set, validates it and trains one model for each fusion on it.

    Items are represented by their content alone: the question is what the fusion makes of it.

    Args:
        folder: Where record set and runs are created.
        seed: Of the data and of the trainings.
        users: Number of users.
        items: Number of items.
        epochs: Maximum epochs of each training.
        verbose: As :func:`tf_metammf.trainer.training.train` takes it.
        fusions: Options by name; a name up to a space is that of the fusion.
        as_clips: Whether the videos become real files, of which features are extracted.
    """
    from tf_metammf.errors import InvalidRecordSetError
    from tf_metammf.ranking.reference_rankings import popularity_metrics
    from tf_metammf.records.synthesis.best_reachable import best_reachable
    from tf_metammf.records.synthesis.synthesis import synthesize
    from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos
    from tf_metammf.records.validation import validate
    from tf_metammf.records.writer import write_record_set
    from tf_metammf.trainer.rankings import make_full_ranking
    from tf_metammf.trainer.training import train
    from tf_metammf.trainer.training_data import TrainingData

    data = synthesize(SyntheticVideos(users=users, items=items, unseen_items=1, seed=seed))
    if as_clips:
        from tf_metammf.commands.quickstart_clips import record_set_of_clips

        record_set = record_set_of_clips(data, folder / CLIPS_FOLDER, folder / "videos", seed=seed)
    else:
        record_set = write_record_set(data.raw, data.splits, folder / "videos", seed=seed)
    findings = validate(record_set.folder)
    if findings:
        raise InvalidRecordSetError(str(findings[0]))
    comparison = Comparison(data)
    for step, (name, options) in enumerate(fusions.items(), start=2):
        print(f"{step}. training with the fusion {name}")
        configuration = quickstart_configuration(name.partition(" ")[0], options, seed=seed, epochs=epochs)
        run = train(record_set, folder / name.replace(" ", "-"), configuration, verbose=verbose)
        comparison.runs[name] = run
        comparison.metrics[name] = run.read("metrics")["test"]
    training_data = TrainingData(record_set)
    ranking = make_full_ranking(training_data, "test", cutoffs=[20])
    comparison.metrics["popularity"] = popularity_metrics(ranking, training_data.item_frequency)
    # Dense ids of a record set of files are in another order, so the ranking above does not fit the truth.
    comparison.metrics["best reachable"] = best_reachable(data)
    return comparison


def quickstart_configuration(fusion: str, options: dict[str, Any], *, seed: int, epochs: int) -> "Configuration":
    """The settings of both trainings: the defaults, but for content alone and smaller data."""
    from tf_metammf.trainer.configuration.configuration import Configuration

    return Configuration.from_mapping(
        {
            "model": {"id_units": 0, "fusion": {"name": fusion, **options}},
            "training": {"batch_size": 1024, "learning_rate": 0.003, "epochs": epochs, "patience": 4, "seed": seed},
            "evaluation": {"k": [20]},
        }
    )


def _print_recommendations(client: Any) -> None:
    for found in client.recommend(ASKED_USERS, k=5):
        print(f"   {found.query}: {', '.join(found.item_ids)}")


def _print_new_item(client: Any, data: "SyntheticData") -> None:
    places = client.place_of_new_items(ASKED_USERS, data.unseen_features).ranks[:, 0]
    users = [data.raw.user_ids.index(user) for user in ASKED_USERS]
    truth = data.true_user_embeddings[users]
    better = truth @ data.true_item_embeddings.T >= truth @ data.unseen_true_embeddings.T
    train = data.splits["train"]
    for row, dense in enumerate(users):
        better[row, train.item[train.user == dense]] = False
    print("   rank of a new video among those that the user has not seen:")
    for user, place, best in zip(ASKED_USERS, places, better.sum(axis=1) + 1, strict=True):
        print(f"   {user}: {place} (by true preferences: {best})")


def _print_comparison(comparison: Comparison) -> None:
    from rich.table import Table

    table = Table(title="test split, ranking of all items", title_justify="left")
    table.add_column("\nranking", no_wrap=True)
    for metric in METRICS:
        kind, _, name = metric.rpartition("/")
        table.add_column(f"{kind or 'all'} items\n{name}", justify="right")
    for name in ("popularity", *reversed(FUSIONS), "best reachable"):
        label = {"concatenation": "static fusion", "metammf": "MetaMMF"}.get(name, name)
        table.add_row(label, *(f"{comparison.metrics[name][metric]:.4f}" for metric in METRICS))
    print_table(table)
