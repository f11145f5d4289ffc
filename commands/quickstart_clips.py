"""What the quickstart does with real clips: files, extraction, and a new clip on its way into rankings."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tf_metammf.export.client import Client
    from tf_metammf.records.record_set import RecordSet
    from tf_metammf.records.synthesis.synthesis import SyntheticData

NEW_CLIP = "new_clip.mp4"
CONTACT_SHEET = "contact_sheet.png"
# Fewer numbers than by default: the clips are small and simple, and a thousand items are few to learn from. With the
# default ones, 288 wide, dynamic fusion is ahead of static by less.
EXTRACTION: dict[str, Any] = {
    "frames": 8,
    "visual_settings": {"size": 48, "hues": 6, "directions": 4},
    "acoustic_settings": {"mel_bands": 16},
    "textual_settings": {"width": 48, "word_ngrams": 1, "character_ngrams": 0},
}
"""How the features of the clips are extracted."""
_SHOWN = 5


def record_set_of_clips(data: "SyntheticData", clips: Path, output: Path, *, seed: int) -> "RecordSet":
    """Writes the videos as files, extracts their features and makes a record set of them.

    Args:
        data: The synthetic micro-videos.
        clips: The folder of clips to create.
        output: The record set to create.
        seed: Of the order on disk.
    """
    from tf_metammf.records.conversion.conversion import convert
    from tf_metammf.records.sources.videos import Options
    from tf_metammf.records.synthesis.rendered_clips import write_rendered_clips

    write_rendered_clips(data, clips, show_progress=True)
    print(f"   {len(data.raw.item_ids):,} clips of a second with covers and titles; features are extracted")
    return convert("videos", clips, output, options=Options(**EXTRACTION), seed=seed)


def ask_with_a_new_clip(
    client: "Client", version: Path, data: "SyntheticData", folder: Path, *, users: Sequence[str]
) -> None:
    """Makes a clip that is in no data, and asks the SavedModel about it; draws a contact sheet.

    Args:
        client: Of the exported model.
        version: Its version directory.
        data: The synthetic micro-videos, with an unseen one.
        folder: The folder of the quickstart.
        users: Raw ids of users.
    """
    from tf_metammf.commands.new_video import ask_about, print_answer
    from tf_metammf.records.synthesis.clip_files import write_picture
    from tf_metammf.records.synthesis.rendered_clips import render, write_rendered_clip

    unseen, path = len(data.raw.item_ids), folder / NEW_CLIP
    title = write_rendered_clip(data, unseen, path)
    write_picture(path.with_suffix(".jpg"), render(data, unseen).frames[0])
    answer = ask_about(client, version, path, users=users, title=title)
    kind = data.kinds[int(data.kind_of_all[unseen])]
    print(f'   {path}, "{title}", is a clip that was never in the data; users respond to its {_said(data, kind)}')
    print_answer(answer)
    print("   places by the true preferences: " + ", ".join(f"{user} {place}" for user, place in _true(data, users)))
    sheet = folder / CONTACT_SHEET
    _draw_sheet(client, data, folder, sheet, users=users, similar=answer.similar)
    print(f"   {sheet}: what the users liked and what is recommended to them; the new clip and those like it")


def _said(data: "SyntheticData", kind: Any) -> str:
    names = list(data.raw.modalities)
    return names[kind.content] + ("" if kind.mood is None else f" by the mood of its {names[kind.mood]}")


def _short(data: "SyntheticData", kind: Any) -> str:
    names = list(data.raw.modalities)
    return names[kind.content] + ("" if kind.mood is None else f"\nx mood {names[kind.mood]}")


def _true(data: "SyntheticData", users: Sequence[str]) -> list[tuple[str, int]]:
    """The place of the unseen video among what each user has not seen, by the true preferences."""
    rows = [data.raw.user_ids.index(user) for user in users]
    truth = data.true_user_embeddings[rows]
    better = truth @ data.true_item_embeddings.T >= truth @ data.unseen_true_embeddings.T
    train = data.splits["train"]
    for row, dense in enumerate(rows):
        better[row, train.item[train.user == dense]] = False
    return list(zip(users, (better.sum(axis=1) + 1).tolist(), strict=True))


def _draw_sheet(
    client: "Client",
    data: "SyntheticData",
    folder: Path,
    sheet: Path,
    *,
    users: Sequence[str],
    similar: Sequence[str],
) -> None:
    from tf_metammf.commands.contact_sheet import SheetRow, write_contact_sheet

    def shown(items: Sequence[str]) -> list[tuple[str, Path]]:
        numbers = {item: number for number, item in enumerate(data.raw.item_ids)}
        return [
            (f"{item}\n{_short(data, data.kinds[int(data.kind_of_all[numbers[item]])])}", _cover(folder, item))
            for item in items
        ]

    rows = []
    train = data.splits["train"]
    for user, found in zip(users, client.recommend(users, k=_SHOWN), strict=True):
        liked = train.item[train.user == data.raw.user_ids.index(user)][:3]
        liked_ids = [data.raw.item_ids[int(item)] for item in np.sort(liked)]
        rows.append(SheetRow(f"user {user}", shown(liked_ids), shown(found.item_ids)))
    new = [("new clip", (folder / NEW_CLIP).with_suffix(".jpg"))]
    rows.append(SheetRow("new clip", new, shown(list(similar)[:_SHOWN])))
    write_contact_sheet(sheet, rows, title="left: liked in training; right: recommended (last row: most similar)")


def _cover(folder: Path, item: str) -> Path:
    return folder / "clips" / "clips" / f"{item}.jpg"
