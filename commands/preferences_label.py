"""Label pairs of items that a run recommends, by a reward model or by a program."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.splits.preference_splits import HELD_OUT_SHARE
from tf_metammf.records.staging import require_absent


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf preferences label``."""
    parser.add_argument("--run", type=Path, required=True, help="The run directory whose recommendations are judged.")
    parser.add_argument("--records", type=Path, help="Where the record set is now, if it has moved.")
    parser.add_argument(
        "--output", type=Path, required=True, help="The file of preferences to write: .parquet, else CSV."
    )
    parser.add_argument(
        "--add_to", type=Path, help="A record set to create: that of the run with these preferences, to train on."
    )
    parser.add_argument(
        "--withheld",
        type=str | None,
        help="Modalities that the run does not use, separated by commas: a reward model that sees them judges.",
    )
    parser.add_argument(
        "--from_weights",
        action="store_true",
        help="A reward model that learns from the weights of interactions, such as watch times, judges; with "
        "--withheld, it sees these modalities as well.",
    )
    parser.add_argument(
        "--program",
        type=str | None,
        help="A program and its arguments that judges: it reads pairs as lines of JSON, and writes its choices.",
    )
    parser.add_argument("--pairs", type=int, default=10_000, help="Pairs to draw.")
    parser.add_argument("--top_k", type=int, default=100, help="Recommended items of a user that pairs are drawn from.")
    parser.add_argument(
        "--margin", type=float, default=0.5, help="Difference of two rewards from which on a pair is labelled."
    )
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="Seconds that the program may take until its next answer."
    )
    parser.add_argument(
        "--preferences_share", type=float, default=HELD_OUT_SHARE, help="Share that --add_to holds out."
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of the pairs and of the reward model.")


def run(arguments: Namespace) -> int:
    """Draws, asks, writes, and says how many pairs were labelled."""
    rewards = arguments.withheld is not None or arguments.from_weights
    if rewards == (arguments.program is not None):
        raise InvalidInputError("give either --withheld, --from_weights or both, or --program: who is to judge?")
    if arguments.seed < 0:
        raise InvalidInputError(f"--seed is {arguments.seed}, expected at least 0.")
    require_absent(arguments.output)
    if arguments.add_to is not None:
        require_absent(arguments.add_to, option="--add_to")
    import_tensorflow()
    from tf_metammf.records.conversion.preference_addition import add_preferences
    from tf_metammf.records.raw_files.preference_files import require_writable, write_preferences_file
    from tf_metammf.trainer.labelling.drawn_pairs import draw_pairs
    from tf_metammf.trainer.labelling.labels import label
    from tf_metammf.trainer.labelling.program_judge import ProgramJudge
    from tf_metammf.trainer.labelling.reward_judge import RewardJudge
    from tf_metammf.trainer.labelling.reward_model import RewardSettings
    from tf_metammf.trainer.labelling.run_items import embedded_run, training_items

    model, data = embedded_run(arguments.run, arguments.records)
    record_set = data.record_set
    if arguments.program is not None:
        judge: ProgramJudge | RewardJudge = ProgramJudge(
            arguments.program,
            record_set.user_ids,
            record_set.item_ids,
            training_items(data),
            timeout=arguments.timeout,
        )
    else:
        judge = RewardJudge(
            model,
            data,
            withheld=[name for name in (arguments.withheld or "").split(",") if name],
            from_weights=arguments.from_weights,
            margin=arguments.margin,
            settings=RewardSettings(seed=arguments.seed),
        )
    pairs = draw_pairs(model, data, pairs=arguments.pairs, top_k=arguments.top_k, seed=arguments.seed)
    drawn = {*pairs.first.tolist(), *pairs.second.tolist()}
    require_writable(arguments.output, [record_set.item_ids[item] for item in sorted(drawn)])
    labels = label(pairs, judge, record_set)
    write_preferences_file(arguments.output, labels.preferences)
    count = len(labels.preferences)
    print(
        f"{arguments.output}: {count:,} of {labels.asked:,} pairs labelled by {judge.source}, "
        f"{labels.first / count:.0%} for the first item"
    )
    if isinstance(judge, RewardJudge) and judge.accuracy is not None:
        print(f"the reward model has {judge.accuracy:.1%} of the held-out pairs in the right order")
    if arguments.add_to is not None:
        written = add_preferences(
            record_set,
            labels.preferences,
            arguments.add_to,
            origin=judge.source,
            share=arguments.preferences_share,
            seed=arguments.seed,
        )
        entry = written.metadata.preferences
        assert entry is not None
        print(f"{arguments.add_to}: {entry.splits['train'].interactions:,} preferences to learn from")
    return 0
