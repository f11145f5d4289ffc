"""The routes about models as a whole."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer import parameters
from tf_metammf.explorer.comparison import agreement_of_surveys, agreement_plot, drift, places
from tf_metammf.explorer.health import Plot, plots, summary
from tf_metammf.explorer.plot_files import as_csv, as_png
from tf_metammf.explorer.route_group import RouteGroup
from tf_metammf.explorer.survey import Survey


class Insight(RouteGroup):
    """Routes for health and comparison."""

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/api/health", self.health),
            Route("/api/health/{name}.png", self.png),
            Route("/api/health/{name}.csv", self.csv),
            Route("/api/slope", self.slope),
            Route("/api/compare", self.compare),
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
        return self._model(request, "first"), self._model(request, "second", default=1)


def _states(states: list[dict[str, Any]]) -> dict[str, Any]:
    errors = [state["error"] for state in states if state["error"]]
    return {"progress": sum(state["progress"] for state in states) / len(states), "error": "; ".join(errors)}


def _named(file: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="tf-metammf-{file}"'}
