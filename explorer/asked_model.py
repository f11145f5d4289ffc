"""A model that the page asks: its client, its catalogue, and what is computed of it once."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tf_metammf.errors import InvalidInputError, MetaMMFError, one_line
from tf_metammf.explorer.background import Background
from tf_metammf.explorer.catalogue import Catalogue, exported_catalogue, recorded_catalogue
from tf_metammf.explorer.projection import Projection, project
from tf_metammf.explorer.survey import Survey, take_survey
from tf_metammf.explorer.text_search import TextSearch
from tf_metammf.export.client import Client
from tf_metammf.export.reports import has_report
from tf_metammf.export.saved_model import EXTRACTION
from tf_metammf.export.versions import newest_version

logger = logging.getLogger(__name__)


class AskedModel:
    """One version of a model, loaded or on a server.

    Args:
        name: What the page calls it.
        version: Its number, or a word for it.
        client: Answers requests.
        catalogue: Its users and items.
        folder: The version directory; None for a model on a server.
        surveyed_users: Users whose recommendations stand for those of all, at most.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str,
        client: Client,
        catalogue: Catalogue,
        folder: Path | None,
        surveyed_users: int,
    ) -> None:
        self.name = name
        self.version = version
        self.client = client
        self.catalogue = catalogue
        self.folder = folder
        self.survey: Background[Survey] = Background(
            f"survey of {name}", lambda report: take_survey(client, catalogue, surveyed_users, report=report)
        )
        self._projections: dict[str, Background[Projection]] = {}
        self._lock = threading.Lock()

    @cached_property
    def user_search(self) -> TextSearch:
        """Search among the users."""
        return TextSearch(self.catalogue.user_ids)

    def warm_up(self) -> None:
        """Does what would make the first answers slow: traces requests, and makes indexes of ids."""
        catalogue = self.catalogue
        _ = catalogue.user_numbers, catalogue.item_numbers, catalogue.popularity_ranks, catalogue.item_directions
        _ = self.user_search, self.modalities
        some = list(catalogue.item_ids[:1])
        self.client.recommend(list(catalogue.user_ids[:1]), 20)
        self.client.recommend_for_history([some], 20)
        with suppress(InvalidInputError):  # a baseline may compare no items
            self.client.similar_items(some)
        if self.modalities:
            nothing = {self.modalities[0]: np.zeros((1, 0), np.float32)}
            self.client.place_of_new_items(list(catalogue.user_ids[:1]), nothing)
            self.client.encode_items(nothing)
            self.client.explain_new_items(nothing)

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in alphabetical order; none without a fusion."""
        try:
            asked = self.catalogue.item_ids[:1] or [""]
            shares = self.client.explain_items(list(asked))[0].shares
        except InvalidInputError:
            return ()
        return tuple(sorted(shares))

    @cached_property
    def takes_clips(self) -> bool:
        """Whether the features of a clip can be made here as those of its data were."""
        return self.folder is not None and has_report(self.folder, EXTRACTION) and find_spec("av") is not None

    def projection(self, space: str) -> Background[Projection]:
        """The map of the items in a space of :data:`tf_metammf.explorer.projection.SPACES`."""
        with self._lock:
            if space not in self._projections:
                self._projections[space] = Background(
                    f"map of {self.name} by {space}",
                    lambda report: project(self.catalogue, space, folder=self.folder, report=report),
                )
            return self._projections[space]


class ModelSource:
    """Where a model comes from, and the version of it that is asked now.

    Args:
        model: A folder of versions, or one version; or a client of a server.
        name: What the page calls it.
        records: A record set, for what a server does not tell; None where there is none.
        surveyed_users: As :class:`AskedModel` takes it.

    Attributes:
        current: The version that is asked.

    Raises:
        InvalidInputError: There is no such model, or it cannot be loaded.
    """

    def __init__(self, model: Path | Client, *, name: str, records: str | Path | None, surveyed_users: int) -> None:
        self._folder = model if isinstance(model, Path) else None
        self._name = name
        self._surveyed_users = surveyed_users
        self._refused: Path | None = None
        if isinstance(model, Path):
            self.current = self._loaded(model)
        else:
            catalogue = Catalogue() if records is None else recorded_catalogue(records)
            self.current = self._asked(model, catalogue, version=None)

    def reload_if_replaced(self) -> bool:
        """Loads a newer version, if the folder has one; what is asked stays as it was if that fails."""
        if self._folder is None:
            return False
        newest: Path | None = None
        try:
            newest = newest_version(self._folder)
            if newest in (self.current.folder, self._refused):
                return False
            self.current = self._loaded(newest)
        except MetaMMFError as error:
            if newest is not None:
                logger.warning("%s The version from before stays in use.", one_line(error))
                self._refused = newest
            return False
        self._refused = None
        logger.info("%s: version %s is in use now", self._name, self.current.version)
        return True

    def _loaded(self, folder: Path) -> AskedModel:
        version = newest_version(folder)
        model = self._asked(Client(version), exported_catalogue(version), version=version)
        model.warm_up()
        return model

    def _asked(self, client: Client, catalogue: Catalogue, *, version: Path | None) -> AskedModel:
        return AskedModel(
            self._name,
            version="served" if version is None else version.name,
            client=client,
            catalogue=catalogue,
            folder=version,
            surveyed_users=self._surveyed_users,
        )


def names_of(models: Sequence[Path | Client]) -> list[str]:
    """Short names for models: the last part of the path of a folder; with a letter where two would be the same."""
    short = [_folder_name(model) if isinstance(model, Path) else "served" for model in models]
    if len(set(short)) == len(short):
        return short
    return [f"{letter}: {name}" for letter, name in zip("ABCDEFGH", short, strict=False)]


def _folder_name(folder: Path) -> str:
    resolved = folder.resolve()
    return f"{resolved.parent.name}/{resolved.name}" if resolved.name.isdecimal() else resolved.name
