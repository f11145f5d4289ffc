"""The routes about models as a whole, and about videos that are not there yet."""

from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer import parameters
from tf_metammf.explorer.comparison import agreement_of_surveys, agreement_plot, drift, places
from tf_metammf.explorer.health import Plot, plots, summary
from tf_metammf.explorer.placements import MOST_VARIANTS, Variant, place
from tf_metammf.explorer.plot_files import as_csv, as_png
from tf_metammf.explorer.survey import Survey
from tf_metammf.explorer.workspace import Workspace

MOST_BODY = 8 * 2**20
WIDEST = 65536
SUGGESTED = 6


class Insight:
    """Routes for health, comparison and new videos.

    Args:
        workspace: What they answer from.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/health", self.health),
            Route("/api/health/{name}.png", self.png),
            Route("/api/health/{name}.csv", self.csv),
            Route("/api/slope", self.slope),
            Route("/api/compare", self.compare),
            Route("/api/features", self.features),
            Route("/api/place", self.place, methods=["POST"]),
        ]

    def health(self, request: Request) -> Response:
        """Plots and numbers of all models."""
        surveys, state = self._surveys()
        if surveys is None:
            return JSONResponse(state)
        models = [source.current for source in self._workspace.sources]
        return JSONResponse(
            {
                "models": [summary(model, survey) for model, survey in zip(models, surveys, strict=True)],
                "plots": {
                    name: {**vars(plot), "curves": [vars(curve) for curve in plot.curves]}
                    for name, plot in plots(models, surveys).items()
                },
            }
        )

    def png(self, request: Request) -> Response:
        """A plot as PNG."""
        name, plot = self._plot(request)
        return Response(as_png(plot), media_type="image/png", headers=_named(f"{name}.png"))

    def csv(self, request: Request) -> Response:
        """The numbers of a plot as CSV."""
        name, plot = self._plot(request)
        return Response(as_csv(plot), media_type="text/csv", headers=_named(f"{name}.csv"))

    def slope(self, request: Request) -> Response:
        """What two models recommend to the same user."""
        user = parameters.text(request, "user")
        k = parameters.whole(request, "k", 20, most=50)
        first, second = self._two(request)
        found = [model.client.recommend([user], k)[0] for model in (first, second)]
        rows = places(found[0].item_ids, found[1].item_ids)
        cards = {card["id"]: card for card in self._workspace.cards.of(second, found[1].item_ids)}
        cards |= {card["id"]: card for card in self._workspace.cards.of(first, found[0].item_ids)}
        return JSONResponse(
            {
                "known": [each.known for each in found],
                "rows": [row | {"card": cards[row["id"]]} for row in rows],
            }
        )

    def compare(self, request: Request) -> Response:
        """How two models agree over all users, and what differs between them."""
        two = self._two(request)
        surveys = (two[0].survey.result(), two[1].survey.result())
        if surveys[0] is None or surveys[1] is None:
            return JSONResponse(_states([model.survey.state() for model in two]))
        return JSONResponse(
            {
                "names": [model.name for model in two],
                "agreement": agreement_of_surveys(two, (surveys[0], surveys[1])),
                "drift": drift(two),
                "summaries": [summary(model, survey) for model, survey in zip(two, surveys, strict=True) if survey],
            }
        )

    def features(self, request: Request) -> Response:
        """Which modalities a video has in the record set, and users for whom its place can be looked at."""
        raw = parameters.text(request, "id")
        model = self._workspace.model(self._number(request, "model"))
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

    async def place(self, request: Request) -> Response:
        """Places of new videos, or of changed ones, for users."""
        content = await parameters.body(request, most_bytes=MOST_BODY)
        return await run_in_threadpool(self._place, request, content)

    def _place(self, request: Request, content: dict[str, Any]) -> Response:
        model = self._workspace.model(self._number(request, "model"))
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

    def _plot(self, request: Request) -> tuple[str, Plot]:
        surveys, _ = self._surveys(wait=60.0)
        if surveys is None:
            raise InvalidInputError("The users are still being surveyed. Try again in a moment.")
        models = [source.current for source in self._workspace.sources]
        found = plots(models, surveys)
        if len(models) > 1:
            agreement = agreement_of_surveys((models[0], models[1]), (surveys[0], surveys[1]))
            if agreement is not None:
                found["agreement"] = agreement_plot(agreement, f"{models[0].name} and {models[1].name}")
        name = request.path_params["name"]
        if name not in found:
            raise InvalidInputError(f"There is no plot {name[:50]!r}, there are {', '.join(found)}.")
        return name, found[name]

    def _surveys(self, wait: float = 0.0) -> tuple[list[Survey] | None, dict[str, Any]]:
        models = [source.current for source in self._workspace.sources]
        found = [model.survey.wait(wait) if wait else model.survey.result() for model in models]
        surveys = [survey for survey in found if survey is not None]
        complete = len(surveys) == len(models)
        return (surveys if complete else None), _states([model.survey.state() for model in models])

    def _two(self, request: Request) -> tuple[Any, Any]:
        if len(self._workspace.sources) < 2:
            raise InvalidInputError("There is one model. Start tf-metammf explore with --model twice to compare two.")
        return (
            self._workspace.model(self._number(request, "first")),
            self._workspace.model(self._number(request, "second", default=1)),
        )

    def _number(self, request: Request, name: str, *, default: int = 0) -> int:
        return parameters.whole(request, name, default, most=len(self._workspace.sources) - 1, least=0)


def _states(states: list[dict[str, Any]]) -> dict[str, Any]:
    errors = [state["error"] for state in states if state["error"]]
    return {"progress": sum(state["progress"] for state in states) / len(states), "error": "; ".join(errors)}


def _named(file: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="tf-metammf-{file}"'}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
