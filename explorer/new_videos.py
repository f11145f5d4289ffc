"""The routes about videos that are not in the catalogue."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer import parameters
from tf_metammf.explorer.access import MOST_BYTES, MOST_BYTES_OF
from tf_metammf.explorer.placements import MOST_VARIANTS, Variant, place
from tf_metammf.explorer.route_group import RouteGroup
from tf_metammf.explorer.workspace import Workspace
from tf_metammf.export.new_clips import features_of_clip
from tf_metammf.records.media.clip_features import ClipFeatures, clip_item
from tf_metammf.records.media.feature_store import MediaItem
from tf_metammf.records.media.media_files import TEXT_ROLES, role_of

WIDEST = 65536
SUGGESTED = 6


class NewVideos(RouteGroup):
    """Routes for the places of new videos, or of changed ones.

    Args:
        workspace: What they answer from.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._extraction = Lock()  # a decoder and its encoders at a time

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/features", self.features),
            Route("/api/clip", self.clip, methods=["POST"]),
            Route("/api/place", self.place, methods=["POST"]),
        ]

    def features(self, request: Request) -> Response:
        """Which modalities a video has in the record set, and users for whom its place can be looked at."""
        raw = parameters.text(request, "id")
        model = self._model(request)
        has = self._workspace.features.of(raw) if self._workspace.features.has(raw) else {}
        trained = np.flatnonzero(np.diff(model.catalogue.seen_starts) > 0)
        some = trained[np.linspace(0, max(0, len(trained) - 1), min(SUGGESTED, len(trained)), dtype=np.int64)]
        return JSONResponse(
            {
                "modalities": list(model.modalities),
                "present": sorted(has),
                "widths": self._workspace.features.widths,
                "users": [model.catalogue.user_ids[user] for user in some],
            }
        )

    async def clip(self, request: Request) -> Response:
        """Features of a clip that the request carries, made as those of the model's data were."""
        model = self._model(request)
        name = parameters.text(request, "name")
        if model.folder is None or not model.takes_clips:
            raise InvalidInputError(
                "This model takes no clips: its features were not made by records extract, it is on a server, or "
                "PyAV is not installed (python -m pip install 'tf-metammf[media]'). Give features."
            )
        if role_of(name) not in ("video", "sound", "cover"):
            raise InvalidInputError(f"{name[:100]!r} has an unknown ending, expected a video, sound or picture.")
        with TemporaryDirectory(prefix="tf-metammf-clip-") as folder:
            path = Path(folder) / f"clip{Path(name).suffix.lower()}"  # nothing else of a name from outside
            with path.open("wb") as file:
                await parameters.save_body(request, file, most_bytes=MOST_BYTES_OF["/api/clip"])
            item = clip_item(path, **{text: parameters.text(request, text) for text in TEXT_ROLES})
            found = await run_in_threadpool(self._features_of_clip, model.folder, item)
        return JSONResponse(
            {
                "features": {name: vector.tolist() for name, vector in found.vectors.items()},
                "problems": {
                    name: problem.reason for name, problem in found.problems.items() if name not in found.vectors
                },
            }
        )

    def _features_of_clip(self, version: Path, item: MediaItem) -> ClipFeatures:
        with self._extraction:
            return features_of_clip(version, item)

    async def place(self, request: Request) -> Response:
        """Places of new videos, or of changed ones, for users."""
        content = await parameters.body(request, most_bytes=MOST_BYTES)
        return await run_in_threadpool(self._place, request, content)

    def _place(self, request: Request, content: dict[str, Any]) -> Response:
        model = self._model(request)
        given = content.get("variants")
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_VARIANTS:
            raise InvalidInputError(f"variants has to be a list of 1 to {MOST_VARIANTS} videos.")
        found = place(model, [self._variant(each) for each in given], parameters.ids(content, "users"))
        for variant in found["variants"]:
            near = variant["neighbours"]
            variant["neighbours"] = self._workspace.cards.of(
                model, [raw for raw, _ in near], scores=[cosine for _, cosine in near]
            )
        return JSONResponse(found)

    def _variant(self, given: Any) -> Variant:
        """One video of a request: ``{"name": ..., "modalities": {NAME: {"values": [...]} or {"item": ID}}}``."""
        if not isinstance(given, dict) or not isinstance(given.get("modalities"), dict):
            raise InvalidInputError('Each video has to be an object with "modalities".')
        features = {}
        for name, source in given["modalities"].items():
            values = source.get("values") if isinstance(source, dict) else None
            item = source.get("item") if isinstance(source, dict) else None
            if isinstance(item, str):
                of_item = self._workspace.features.of(item)
                if name in of_item:
                    features[name] = of_item[name]
            elif isinstance(values, list) and len(values) <= WIDEST and all(map(_is_number, values)):
                features[name] = np.array(values, np.float32)
            else:
                raise InvalidInputError(
                    f'The features of "{name[:100]}" have to be those of a video, or at most {WIDEST} numbers.'
                )
        return Variant(str(given.get("name", ""))[:200], features)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
