"""A model that the page asks: its client, its catalogue, and what is computed of it once."""

import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError, MetaMMFError, one_line
from tf_metammf.explorer.background import Background
from tf_metammf.explorer.catalogue import Catalogue, exported_catalogue, recorded_catalogue
from tf_metammf.explorer.projection import Projection, project
from tf_metammf.explorer.survey import Survey, take_survey
from tf_metammf.explorer.text_search import TextSearch

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
        client: Any,
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

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in alphabetical order; none without a fusion."""
        try:
            asked = self.catalogue.item_ids[:1] or [""]
            shares = self.client.explain_items(list(asked))[0].shares
        except InvalidInputError:
            return ()
        return tuple(sorted(shares))

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
        address: A folder of versions, one version, or the address of a server.
        name: What the page calls it.
        served_name: What a server calls the model.
        records: A record set, for what a server does not tell; None where there is none.
        surveyed_users: As :class:`AskedModel` takes it.

    Attributes:
        current: The version that is asked.

    Raises:
        InvalidInputError: There is no such model, or it cannot be loaded.
    """

    def __init__(
        self, address: str, *, name: str, served_name: str, records: str | Path | None, surveyed_users: int
    ) -> None:
        self.address = address
        self._name = name
        self._served_name = served_name
        self._records = records
        self._surveyed_users = surveyed_users
        self._refused: Path | None = None
        self.current = self._served() if is_server(address) else self._loaded(self._newest())

    def reload_if_replaced(self) -> bool:
        """Loads a newer version, if the folder has one; what is asked stays as it was if that fails."""
        if is_server(self.address):
            return False
        try:
            newest = self._newest()
            if newest in (self.current.folder, self._refused):
                return False
            self.current = self._loaded(newest)
        except MetaMMFError as error:
            if self._refused is None:
                logger.warning("%s; the version from before stays in use", one_line(error))
            self._refused = Path(self.address)
            return False
        self._refused = None
        logger.info("%s: version %s is in use now", self._name, self.current.version)
        return True

    def _newest(self) -> Path:
        from tf_metammf.export.versions import newest_version

        return newest_version(Path(self.address))

    def _loaded(self, version: Path) -> AskedModel:
        from tf_metammf.export.recommender import Recommender

        return self._asked(Recommender(version), exported_catalogue(version), version=version)

    def _served(self) -> AskedModel:
        from tf_metammf.export.client import Client

        catalogue = Catalogue() if self._records is None else recorded_catalogue(self._records)
        return self._asked(Client(self.address, self._served_name), catalogue, version=None)

    def _asked(self, client: Any, catalogue: Catalogue, *, version: Path | None) -> AskedModel:
        return AskedModel(
            self._name,
            version="served" if version is None else version.name,
            client=client,
            catalogue=catalogue,
            folder=version,
            surveyed_users=self._surveyed_users,
        )


def is_server(address: str) -> bool:
    """Whether an address is that of a server, not a folder."""
    return "://" in address


def names_of(addresses: Sequence[str]) -> list[str]:
    """Short names for models: the last part of each address, or the address where two would be the same."""
    short = [address if is_server(address) else _folder_name(Path(address)) for address in addresses]
    if len(set(short)) == len(short):
        return short
    return [f"{letter}: {name}" for letter, name in zip("ABCDEFGH", short, strict=False)]


def _folder_name(folder: Path) -> str:
    resolved = folder.resolve()
    return f"{resolved.parent.name}/{resolved.name}" if resolved.name.isdecimal() else resolved.name
