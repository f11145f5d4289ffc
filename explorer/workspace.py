"""What one run of the explorer works with: the models, and what is known of their items."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer.asked_model import AskedModel, ModelSource, names_of
from tf_metammf.explorer.cards import Cards
from tf_metammf.explorer.item_table import ItemTable, read_item_table
from tf_metammf.explorer.media import Media
from tf_metammf.explorer.placements import RecordedFeatures
from tf_metammf.explorer.text_search import TextSearch
from tf_metammf.export.client import Client

SECONDS_BETWEEN_LOOKS = 3.0
"""After how long a folder is looked at again for a newer version."""


@dataclass(frozen=True)
class WorkspaceOptions:
    """What ``tf-metammf explore`` is given.

    Attributes:
        models: Folders of exports, or clients of servers, at least one.
        records: A record set; None for none.
        titles: A table of items; None for none.
        media: A folder of pictures and clips; None for none.
        surveyed_users: Users whose recommendations stand for those of all.
    """

    models: Sequence[Path | Client]
    records: Path | None = None
    titles: Path | None = None
    media: Path | None = None
    surveyed_users: int = 2000


class Workspace:
    """Models, titles, media and features.

    Args:
        options: Where they are.

    Raises:
        InvalidInputError: One of them is missing or cannot be read.
    """

    def __init__(self, options: WorkspaceOptions) -> None:
        if not options.models:
            raise InvalidInputError("missing: model, or endpoint. See --help.")
        if options.surveyed_users < 1:
            raise InvalidInputError(f"survey is {options.surveyed_users}, expected at least 1 user.")
        self.cards = Cards(
            ItemTable() if options.titles is None else read_item_table(options.titles), Media(options.media)
        )
        self.features = RecordedFeatures(options.records)
        self.sources = [
            ModelSource(model, name=name, records=options.records, surveyed_users=options.surveyed_users)
            for model, name in zip(options.models, names_of(options.models), strict=True)
        ]
        self._searches: dict[int, tuple[AskedModel, TextSearch]] = {}
        for number in range(len(self.sources)):
            self.item_search(number)
        self._closed = threading.Event()

    def model(self, number: int) -> AskedModel:
        """The version of a model that is asked now.

        Raises:
            InvalidInputError: There is no such model.
        """
        if not 0 <= number < len(self.sources):
            raise InvalidInputError(f"There is no model {number}, there are {len(self.sources)}.")
        return self.sources[number].current

    def item_search(self, number: int) -> TextSearch:
        """Search among the ids and titles of a model's items."""
        model = self.model(number)
        found = self._searches.get(number)
        if found is None or found[0] is not model:
            titles = self.cards.table.titles
            texts = [f"{titles[raw]} {raw}" if raw in titles else raw for raw in model.catalogue.item_ids]
            found = self._searches[number] = (model, TextSearch(texts))
        return found[1]

    def watch(self) -> None:
        """Looks for newer versions, in a thread, until :meth:`close`."""
        threading.Thread(target=self._watch, name="watch for newer versions", daemon=True).start()

    def close(self) -> None:
        """Ends the watch."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN_LOOKS):
            for source in self.sources:
                source.reload_if_replaced()
