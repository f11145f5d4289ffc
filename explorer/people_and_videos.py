"""The answers of the page about people and videos, as JSON."""

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer import parameters
from tf_metammf.explorer.asked_model import AskedModel
from tf_metammf.explorer.cards import number_or_none
from tf_metammf.explorer.media import KINDS
from tf_metammf.explorer.projection import SPACES, vectors_of
from tf_metammf.explorer.route_group import RouteGroup

SHOWN_HISTORY = 60
FOUND = 12
FOR_WHOM = 24
FIRST_PLACES = 20


class PeopleAndVideos(RouteGroup):
    """Routes for one person, one persona and one video."""

    def routes(self) -> list[Route]:
        """The routes, all of them GET."""
        return [
            Route("/api/about", self.about),
            Route("/api/search", self.search),
            Route("/api/person", self.person),
            Route("/api/persona", self.persona),
            Route("/api/video", self.video),
            Route("/api/for-whom", self.for_whom),
            Route("/media/{kind}", self.media),
        ]

    def about(self, request: Request) -> Response:
        """What there is: models, their sizes and versions."""
        models = []
        for source in self._workspace.sources:
            model = source.current
            catalogue = model.catalogue
            models.append(
                {
                    "name": model.name,
                    "version": model.version,
                    "users": len(catalogue.user_ids),
                    "items": len(catalogue.item_ids),
                    "interactions": len(catalogue.seen_items),
                    "cold": int(catalogue.is_cold.sum()),
                    "modalities": model.modalities,
                    "spaces": [space for space in SPACES if _has(model, space)],
                    "folder": model.folder is not None,
                    "takes_clips": model.takes_clips,
                }
            )
        cards = self._workspace.cards
        return JSONResponse(
            {
                "models": models,
                "titles": len(cards.table.titles),
                "kinds": list(cards.table.columns),
                "media": len(cards.media),
                "features": self._workspace.features.widths,
            }
        )

    def search(self, request: Request) -> Response:
        """Users or items that contain the typed text."""
        query, number = parameters.text(request, "q"), self._number(request)
        model = self._workspace.model(number)
        if parameters.text(request, "kind", "user") == "user":
            found = model.user_search.find(query, FOUND)
            users = [model.catalogue.user_ids[user] for user in found]
            return JSONResponse(
                {"found": [{"id": raw, "watched": len(model.catalogue.items_of(raw))} for raw in users]}
            )
        items = [model.catalogue.item_ids[item] for item in self._workspace.item_search(number).find(query, FOUND)]
        return JSONResponse({"found": self._workspace.cards.of(model, items)})

    def person(self, request: Request) -> Response:
        """What a user watched, and what is recommended."""
        user = parameters.text(request, "user")
        model = self._model(request)
        found = model.client.recommend(
            [user],
            parameters.whole(request, "k", FIRST_PLACES),
            exclude=[parameters.texts(request, "exclude")],
            exclude_seen=not parameters.is_set(request, "seen"),
        )[0]
        history = model.catalogue.items_of(user)
        cards = self._workspace.cards.of(model, found.item_ids, scores=found.scores)
        self._workspace.cards.add_reasons(model, cards, history)
        seen = set(history.tolist())
        for card in cards:
            card["seen"] = card.get("number") in seen
        every = parameters.is_set(request, "all")
        shown = history if every else history[:SHOWN_HISTORY]
        return JSONResponse(
            {
                "user": user,
                "known": found.known,
                "watched": len(history),
                "history": self._workspace.cards.of(model, [model.catalogue.item_ids[item] for item in shown]),
                "recommended": cards,
            }
        )

    def persona(self, request: Request) -> Response:
        """Recommendations for a list of videos."""
        items = parameters.texts(request, "item")
        model = self._model(request)
        found = model.client.recommend_for_history([items], parameters.whole(request, "k", FIRST_PLACES))[0]
        cards = self._workspace.cards.of(model, found.item_ids, scores=found.scores)
        numbers = model.catalogue.numbers_of(items)
        self._workspace.cards.add_reasons(model, cards, numbers[numbers >= 0])
        return JSONResponse(
            {
                "known": found.known,
                "history": self._workspace.cards.of(model, items),
                "recommended": cards,
            }
        )

    def video(self, request: Request) -> Response:
        """A video and the ones like it."""
        raw = parameters.text(request, "id")
        model = self._model(request)
        card = self._workspace.cards.of(model, [raw])[0]
        similar, why = [], ""
        try:
            found = model.client.similar_items([raw])[0]
            similar = self._workspace.cards.of(model, found.item_ids, scores=found.scores)
            card["known"] = card["known"] or found.known
        except InvalidInputError:
            why = "This model compares no videos."
        return JSONResponse(
            {
                "video": card,
                "similar": similar,
                "no_similar": why,
                "has_features": self._workspace.features.has(raw),
                "attention": _attention(model, raw),
            }
        )

    def for_whom(self, request: Request) -> Response:
        """Users of the survey who have a video in their first places."""
        raw = parameters.text(request, "id")
        model = self._model(request)
        item = model.catalogue.item_numbers.get(raw)
        if item is None:
            return JSONResponse({"users": [], "count": 0, "surveyed": 0, "population": 0})
        survey = model.survey.result()
        if survey is None:
            return JSONResponse(model.survey.state())
        users, places = survey.users_shown(item, parameters.whole(request, "k", FIRST_PLACES, most=50))
        ids = [model.catalogue.user_ids[user] for user in users[:FOR_WHOM]]
        scores = model.client.score(ids, [raw] * len(ids)).scores
        return JSONResponse(
            {
                "users": [
                    {"id": user, "place": place, "score": number_or_none(score)}
                    for user, place, score in zip(ids, places[:FOR_WHOM].tolist(), scores, strict=True)
                ],
                "count": len(users),
                "surveyed": len(survey.users),
                "population": survey.population,
            }
        )

    def media(self, request: Request) -> Response:
        """A picture, clip or frame of a video."""
        path = self._workspace.cards.media.file(
            parameters.text(request, "id"),
            request.path_params["kind"],
            parameters.whole(request, "frame", 0, most=1000, least=0),
        )
        if path is None:
            return JSONResponse({"error": "There is no such picture or clip."}, 404)
        return FileResponse(
            path, media_type=KINDS[path.suffix.lower()], headers={"Cache-Control": "private, max-age=3600"}
        )


def _attention(model: AskedModel, raw: str) -> dict[str, dict[str, list[float]]]:
    """When tokens of a video begin and how much each counts, by modality; empty where nothing is known of it."""
    attention, item = model.catalogue.attention, model.catalogue.item_numbers.get(raw)
    if attention is None or item is None:
        return {}
    return {
        name: {"times": found.times.tolist(), "weights": found.weights.tolist()}
        for name, found in attention.of(item).items()
    }


def _has(model: AskedModel, space: str) -> bool:
    try:
        vectors_of(model.catalogue, space)
    except InvalidInputError:
        return False
    return True
