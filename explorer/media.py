"""Pictures and clips of items, from one folder."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from tf_metammf.errors import InvalidInputError

PICTURES = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
CLIPS = {".m4v": "video/mp4", ".mp4": "video/mp4", ".webm": "video/webm"}
KINDS = PICTURES | CLIPS

MOST_FRAMES = 12


@dataclass
class ItemMedia:
    """What there is of one item: at most one picture, one clip and some frames."""

    picture: Path | None = None
    clip: Path | None = None
    frames: list[Path] = field(default_factory=list)


class Media:
    """The files of a folder, by item. No other file can be asked for.

    A picture or clip is ``ID.jpg``, ``ID.webp``, ``ID.mp4`` and so on; frames are pictures in a folder ``ID``, in the
    order of their names. Where an id cannot be the name of a file, it is written percent-encoded, as in addresses.
    Links that lead out of the folder are left aside.

    Args:
        folder: The folder; None for no media.

    Raises:
        InvalidInputError: The folder is not there.
    """

    def __init__(self, folder: Path | None) -> None:
        self._root = None if folder is None else folder.resolve()
        self._items: dict[str, ItemMedia] = {}
        if self._root is None:
            return
        if not self._root.is_dir():
            raise InvalidInputError(f"{folder}: is not a folder. Give the folder of the pictures or clips.")
        with os.scandir(self._root) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                self._add(Path(entry.path))

    def __len__(self) -> int:
        return len(self._items)

    def of(self, item_id: str) -> ItemMedia:
        """What there is of an item."""
        return self._items.get(item_id) or self._items.get(quote(item_id, safe="")) or ItemMedia()

    def file(self, item_id: str, kind: str, number: int = 0) -> Path | None:
        """A file of an item, still inside the folder; None if there is none.

        Args:
            item_id: The raw id.
            kind: ``picture``, ``clip`` or ``frame``.
            number: Of a frame, from 0.
        """
        media = self.of(item_id)
        frame = media.frames[number] if 0 <= number < len(media.frames) else None
        path = {"picture": media.picture, "clip": media.clip, "frame": frame}.get(kind)
        # A link may have been put there since.
        return path if path is not None and self._is_inside(path) else None

    def _add(self, path: Path) -> None:
        if not self._is_inside(path):
            return
        suffix = path.suffix.lower()
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES and self._is_inside(file))
            if files:
                step = max(1, -(-len(files) // MOST_FRAMES))
                self._entry(path.name).frames = files[::step]
        elif suffix in PICTURES:
            self._entry(path.name[: -len(suffix)]).picture = path
        elif suffix in CLIPS:
            self._entry(path.name[: -len(suffix)]).clip = path

    def _entry(self, name: str) -> ItemMedia:
        entry = self._items.setdefault(name, ItemMedia())
        if "%" in name:
            self._items.setdefault(unquote(name), entry)
        return entry

    def _is_inside(self, path: Path) -> bool:
        try:
            return self._root is not None and path.resolve(strict=True).is_relative_to(self._root)
        except OSError:
            return False
