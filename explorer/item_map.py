"""The routes of the map: points, colours and the items behind them."""

import csv
import io
import json

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer import parameters
from tf_metammf.explorer.asked_model import AskedModel
from tf_metammf.explorer.projection import SPACES
from tf_metammf.explorer.route_group import RouteGroup

MOST_POINTS = 200_000
"""Points that a browser is given; of a larger catalogue a sample is shown."""

MOST_KINDS = 10
SHOWN = 60
LIT = 2000
SEED = 0


class ItemMap(RouteGroup):
    """Routes of the map."""

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/map", self.description),
            Route("/api/map/points", self.points),
            Route("/api/map/points.csv", self.points_as_csv),
            Route("/api/map/colours", self.colours),
            Route("/api/map/find", self.find),
            Route("/api/map/items", self.items, methods=["POST"]),
        ]

    def description(self, request: Request) -> Response:
        """What a map shows, or how far its computation is."""
        model, space = self._asked(request)
        projection = model.projection(space)
        found = projection.result()
        if found is None:
            return JSONResponse(projection.state())
        sample = shown_items(len(found.points))
        return JSONResponse(
            {
                "space": space,
                "about": SPACES[space],
                "method": found.method,
                "items": len(found.points),
                "shown": len(sample),
                "colours": self._colours_of(model),
            }
        )

    def points(self, request: Request) -> Response:
        """The points, as two little-endian uint16 each, from 0 to 65535 across the square; then their item numbers."""
        model, space = self._asked(request)
        found = model.projection(space).result()
        if found is None:
            return JSONResponse({"error": "The map is being computed."}, 409)
        sample = shown_items(len(found.points))
        quantised = np.round((found.points[sample] + 1) * 32767.5).astype("<u2")
        return Response(quantised.tobytes() + sample.astype("<u4").tobytes(), media_type="application/octet-stream")

    def points_as_csv(self, request: Request) -> Response:
        """The points of all items as CSV: raw id, and coordinates from -1 to 1."""
        model, space = self._asked(request)
        found = model.projection(space).result()
        if found is None:
            return JSONResponse({"error": "The map is being computed."}, 409)
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["item", "x", "y"])
        rows.writerows(
            (raw, f"{x:.6f}", f"{y:.6f}")
            for raw, (x, y) in zip(model.catalogue.item_ids, found.points.tolist(), strict=True)
        )
        return Response(
            text.getvalue(),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="tf-metammf-{space}.csv"'},
        )

    def colours(self, request: Request) -> Response:
        """What the values mean, as JSON after its length in four bytes, and a value for each point, one byte."""
        model, _ = self._asked(request)
        name = parameters.text(request, "by", "popularity")
        sample = shown_items(len(model.catalogue.item_ids))
        values, legend = self._values(model, name)
        head = json.dumps(legend).encode()
        return Response(
            len(head).to_bytes(4, "little") + head + values[sample].astype(np.uint8).tobytes(),
            media_type="application/octet-stream",
        )

    def find(self, request: Request) -> Response:
        """Numbers of the items that contain the typed text."""
        number = self._number(request)
        query = parameters.text(request, "q")
        found = self._workspace.item_search(number).find(query, LIT) if query.strip() else []
        return JSONResponse({"numbers": found})

    async def items(self, request: Request) -> Response:
        """Cards of items by their numbers."""
        content = await parameters.body(request, most_bytes=2**20)
        numbers = content.get("numbers", [])
        model = self._model(request)
        count = len(model.catalogue.item_ids)
        if not isinstance(numbers, list) or not all(type(item) is int and 0 <= item < count for item in numbers):
            raise InvalidInputError(f"numbers has to be a list of numbers of items, from 0 to {count - 1}.")
        ids = [model.catalogue.item_ids[item] for item in numbers[:SHOWN]]
        return JSONResponse({"items": self._workspace.cards.of(model, ids)})

    def _values(self, model: AskedModel, name: str) -> tuple[NDArray[np.integer], dict[str, object]]:
        catalogue = model.catalogue
        if name == "popularity":
            most = int(catalogue.popularity.max(initial=0))
            scaled = np.log1p(catalogue.popularity) / np.log1p(max(1, most)) * 255
            return scaled.astype(np.int64), {"kind": "range", "least": 0, "most": most, "unit": "training interactions"}
        if name == "cold":
            return catalogue.is_cold.astype(np.int64), {"kind": "classes", "names": ["warm", "cold"]}
        if name.startswith("share:") and name[6:] in model.modalities and catalogue.modality_shares is not None:
            shares = catalogue.modality_shares[:, model.modalities.index(name[6:])]
            low, high = float(shares.min(initial=1)), float(shares.max(initial=0))
            scaled = (shares - low) / max(high - low, 1e-6) * 255
            return np.round(scaled).astype(np.int64), {"kind": "range", "least": low, "most": high, "unit": "share"}
        if name.startswith("kind:") and name[5:] in self._workspace.cards.table.columns:
            return self._kinds(model, name[5:])
        raise InvalidInputError(f'The map has no colours by "{name}".')

    def _kinds(self, model: AskedModel, column: str) -> tuple[NDArray[np.integer], dict[str, object]]:
        values = self._workspace.cards.table.columns[column]
        given = [values.get(raw, "") for raw in model.catalogue.item_ids]
        names, counts = np.unique([value for value in given if value] or [""], return_counts=True)
        kept = [str(name) for name in names[np.argsort(-counts, kind="stable")][:MOST_KINDS]]
        code = {name: position for position, name in enumerate(kept)}
        legend = [*kept, "other"]
        codes = np.array([code.get(value, len(kept)) for value in given], np.int64)
        return codes, {"kind": "classes", "names": legend if (codes == len(kept)).any() else kept}

    def _colours_of(self, model: AskedModel) -> list[dict[str, str]]:
        shares = () if model.catalogue.modality_shares is None else model.modalities
        return [
            {"by": "popularity", "name": "popularity"},
            {"by": "cold", "name": "cold or warm"},
            *({"by": f"share:{name}", "name": f"share of {name}"} for name in shares),
            *({"by": f"kind:{name}", "name": name} for name in self._workspace.cards.table.columns),
        ]

    def _asked(self, request: Request) -> tuple[AskedModel, str]:
        space = parameters.text(request, "space", "embeddings")
        if space not in SPACES:
            raise InvalidInputError(f'There is no map "{space}", there are {", ".join(SPACES)}.')
        return self._model(request), space


def shown_items(items: int) -> NDArray[np.int64]:
    """The items that a map shows, all or a sample of :data:`MOST_POINTS`, in a random order that is always the same.

    Any number of items from the beginning are a sample of all: while the map moves, the page draws some of them.
    """
    return np.random.default_rng(SEED).permutation(items)[:MOST_POINTS]
