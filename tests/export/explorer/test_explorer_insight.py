"""Health, comparison and map, against NumPy and SciPy."""

import csv
import io
import json
import struct

import numpy as np
import pytest

from tf_metammf.explorer import agreement, projection
from tf_metammf.explorer.catalogue import exported_catalogue
from tf_metammf.explorer.text_search import TextSearch
from tf_metammf.ranking import exposure

RANDOM = np.random.default_rng(1)


@pytest.fixture(scope="module")
def first_places(catalogue) -> np.ndarray:
    """The first 50 places of all trained users, by NumPy."""
    scores = catalogue.unseen_scores[~catalogue.untrained]
    order = np.argsort(-scores, axis=1, kind="stable")[:, :50]
    return np.where(np.take_along_axis(scores, order, 1) > -np.inf, order, -1)


def test_gini_is_half_the_relative_mean_difference():
    for values in (RANDOM.integers(0, 9, 40), np.ones(7, int), np.array([0, 0, 0, 5])):
        differences = np.abs(values[:, None] - values).mean()
        assert exposure.gini(values) == pytest.approx(differences / (2 * values.mean()))
    assert exposure.gini(np.zeros(4, int)) == 0


def test_the_lorenz_curve_is_the_share_of_the_least_exposed():
    values = RANDOM.integers(0, 20, 100)
    items, shares = exposure.lorenz_curve(values)
    ordered = np.sort(values)
    expected = [ordered[: round(100 * share)].sum() / values.sum() for share in items]
    np.testing.assert_allclose(shares, expected)
    np.testing.assert_allclose(2 * np.trapezoid(items - shares, items), exposure.gini(values), atol=0.01)


def test_coverage_and_shares_count_first_places():
    items = np.array([[0, 1, 2], [0, 2, -1]])
    assert exposure.coverage(items, 4, [1, 2, 3]) == [0.25, 0.75, 0.75]
    members = np.array([False, True, True, False])
    assert exposure.shares_of_exposure(items, members, [1, 3]) == [0.0, pytest.approx(3 / 5)]
    assert exposure.shares_of_exposure(np.full((2, 3), -1), members, [1]) == [None]


def test_overlap_and_correlation_agree_with_sets_and_scipy():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    first = np.stack([RANDOM.permutation(30)[:12] for _ in range(20)])
    second = np.stack([RANDOM.permutation(30)[:12] for _ in range(20)])
    shared = [set(one[:5]) & set(other[:5]) for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(agreement.overlap(first, second, 5), [len(each) / 5 for each in shared])
    for one, other, found in zip(first, second, agreement.rank_correlation(first, second), strict=True):
        both = [item for item in one if item in other]
        if len(both) > 1:
            places = [list(one).index(item) for item in both], [list(other).index(item) for item in both]
            assert found == pytest.approx(stats.kendalltau(*places).statistic)
    np.testing.assert_allclose(agreement.rank_biased_overlap(first, first), 1)
    np.testing.assert_allclose(agreement.rank_biased_overlap(first, first + 100), 0)


def test_rank_biased_overlap_is_its_sum():
    found = agreement.rank_biased_overlap(np.array([[1, 2, 3]]), np.array([[2, 1, 4]]))
    weights = [1, 0.9, 0.81]
    assert found[0] == pytest.approx((0 * weights[0] + 1 * weights[1] + 2 / 3 * weights[2]) / sum(weights))


def test_health_is_that_of_the_first_places(page, catalogue, first_places):
    found = page.when_there("/api/health")
    items = len(catalogue.item_ids)
    counts = np.bincount(catalogue.seen[1], minlength=items)
    shown = first_places[:, :20]
    exposures = np.bincount(shown[shown >= 0], minlength=items)
    model = found["models"][0]
    assert model["gini"] == pytest.approx(exposure.gini(exposures))
    assert model["coverage"] == pytest.approx((exposures > 0).mean())
    assert model["cold"] == pytest.approx((counts[shown[shown >= 0]] == 0).mean())
    [curve] = [curve for curve in found["plots"]["coverage"]["curves"] if curve["name"] == model["name"]]
    for k, share in zip(curve["across"], curve["up"], strict=True):
        places = first_places[:, : int(k)]
        assert share == pytest.approx(len(set(places[places >= 0].tolist())) / items)


def test_every_plot_is_a_picture_and_a_table_of_its_numbers(page):
    plots = page.when_there("/api/health")["plots"]
    assert set(plots) == {"lorenz", "coverage", "cold", "tail"}
    for name, plot in plots.items():
        status, headers, content = page.request(f"/api/health/{name}.png")
        assert (status, headers["content-type"], content[:8]) == (200, "image/png", b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", content[16:24]) == (1600, 1000)
        _, _, content = page.request(f"/api/health/{name}.csv")
        header, *rows = csv.reader(io.StringIO(content.decode()))
        assert header == ["model", plot["across"], plot["up"]]
        points = [
            (curve["name"], across, up)
            for curve in plot["curves"]
            for across, up in zip(curve["across"], curve["up"], strict=True)
        ]
        assert [(model, float(across), float(up)) for model, across, up in rows] == points
    assert page.request("/api/health/nothing.png")[0] == 400
    users = [
        float(row[2]) for row in csv.reader(page.request("/api/health/agreement.csv")[2].decode().splitlines()[1:])
    ]
    counts = page.when_there("/api/compare")["agreement"]["histogram"]
    np.testing.assert_allclose(users, np.array(counts) / sum(counts))


def test_two_models_for_one_user_are_both_rankings(page):
    rows = page.get("/api/slope", user="7", k=10)["rows"]
    for number, which in enumerate(("first", "second")):
        alone = [card["id"] for card in page.get("/api/person", user="7", k=10, model=number)["recommended"]]
        ranked = sorted((row for row in rows if row[which]), key=lambda row: row[which])
        assert [row["id"] for row in ranked] == alone
    assert len({row["id"] for row in rows}) == len(rows)


@pytest.mark.long
def test_two_models_over_all_users(page, catalogue):
    found = page.when_there("/api/compare")
    trained = [user for user, untrained in zip(catalogue.user_ids, catalogue.untrained, strict=True) if not untrained]
    shares = []
    for user in trained:
        first, second = (
            {card["id"] for card in page.get("/api/person", user=user, k=20, model=number)["recommended"]}
            for number in (0, 1)
        )
        shares.append(len(first & second) / max(len(first), len(second), 1))
    assert found["agreement"]["users"] == len(trained)
    assert found["agreement"]["overlap"]["20"] == pytest.approx(np.mean(shares))
    assert sum(found["agreement"]["histogram"]) == len(trained)
    assert found["drift"]["items"] == {"both": 200, "first": 200, "second": 200}


def test_the_map_is_the_catalogue(page, catalogue):
    about = page.get("/api/about")
    assert [model["spaces"] for model in about["models"]] == [["embeddings", "kernels"], ["embeddings"]]
    for space in ("embeddings", "kernels"):
        found = page.when_there("/api/map", space=space)
        items = len(catalogue.item_ids)
        assert (found["items"], found["shown"]) == (items, items)
        _, _, content = page.request(f"/api/map/points?space={space}")
        places = np.frombuffer(content[: 4 * items], "<u2").reshape(items, 2)
        assert places.min() == 0 and places.max() == 65535
        numbers = np.frombuffer(content[4 * items :], "<u4")
        assert sorted(numbers.tolist()) == list(range(items))
        _, _, content = page.request(f"/api/map/points.csv?space={space}")
        _, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        assert [row[0] for row in rows] == catalogue.item_ids
        points = np.array([row[1:] for row in rows], float)
        np.testing.assert_allclose((points[numbers] + 1) * 32767.5, places, atol=0.6)


def test_colours_of_the_map_are_what_their_legend_says(page, catalogue):
    items = len(catalogue.item_ids)
    page.when_there("/api/map")
    numbers = np.frombuffer(page.request("/api/map/points")[2][4 * items :], "<u4")
    counts = np.bincount(catalogue.seen[1], minlength=items)[numbers]
    for by in [colour["by"] for colour in page.when_there("/api/map")["colours"]]:
        _, _, content = page.request(f"/api/map/colours?by={by}")
        length = int.from_bytes(content[:4], "little")
        legend, values = json.loads(content[4 : 4 + length]), np.frombuffer(content[4 + length :], np.uint8)
        assert len(values) == len(counts)
        if by == "cold":
            np.testing.assert_array_equal(values == 1, counts == 0)
        elif by == "popularity":
            assert legend["most"] == counts.max()
            order = np.argsort(counts, kind="stable")
            assert (np.diff(values[order].astype(int)) >= 0).all()
        elif by == "kind:theme":
            named = [legend["names"][value] for value, number in zip(values, numbers, strict=True) if number >= 9]
            assert named == ["even" if number % 2 == 0 else "odd" for number in numbers if number >= 9]


def test_a_selection_on_the_map_becomes_cards(page, catalogue):
    status, found = page.post("/api/map/items", {"numbers": [5, 3]})
    assert status == 200
    assert [card["id"] for card in found["items"]] == [catalogue.item_ids[5], catalogue.item_ids[3]]
    assert page.get("/api/map/find", q="seven")["numbers"] == [catalogue.item_ids.index("7")]


def test_distances_of_kernel_coordinates_are_those_of_the_kernels(version, catalogue):
    coordinates = exported_catalogue(version).kernel_coordinates
    tower = catalogue.model.item_tower
    features, presence = next(iter(catalogue.model.item_features.blocks(6)))
    complete, mask = tower.missing_modalities(tower.standardized(features), mask=dict(presence), training=False)
    kernels = [kernel.numpy().reshape(6, -1) for kernel in tower.fusion.kernels(complete, mask)]
    flat = np.concatenate(kernels, axis=1)
    expected = np.linalg.norm(flat[:, None] - flat, axis=2)
    found = np.linalg.norm(coordinates[:6, None] - coordinates[:6], axis=2)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("which", ["version", "partitioned_version"])
def test_the_exported_arrays_are_those_of_the_model(which, catalogue, request):
    found = exported_catalogue(request.getfixturevalue(which))
    assert list(found.user_ids) == catalogue.user_ids and list(found.item_ids) == catalogue.item_ids
    np.testing.assert_allclose(found.item_embeddings, catalogue.model.item_embeddings().numpy(), rtol=1e-6)
    for user, raw in enumerate(catalogue.user_ids):
        expected = np.unique(catalogue.seen[1][catalogue.seen[0] == user])
        np.testing.assert_array_equal(found.items_of(raw), expected)


def test_principal_components_span_the_largest_variance():
    vectors = RANDOM.normal(size=(50, 6)) * [5, 3, 1, 1, 1, 1]
    centred = vectors - vectors.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    found = projection.principal_components(vectors)
    np.testing.assert_allclose(np.abs(found), np.abs(centred @ directions[:2].T), atol=1e-8)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), values[:2])
    np.testing.assert_array_equal(projection.principal_components(np.ones((3, 1))), 0)


def test_tsne_keeps_clusters_apart_and_places_others_at_their_nearest(monkeypatch):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.setattr(projection, "LANDMARKS", 60)
    kind = np.repeat([0, 1], 60)
    vectors = (RANDOM.normal(size=(120, 8)) + 30 * kind[:, None]).astype(np.float32)
    points = projection.by_tsne(vectors, report=lambda share: None)
    middles = np.stack([points[kind == each].mean(axis=0) for each in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, kind)


def test_a_map_without_tsne_is_one_of_principal_components(version, tmp_path, monkeypatch):
    def fails(vectors):
        raise RuntimeError("t-SNE failed")

    monkeypatch.setattr(projection, "find_spec", lambda name: True)
    monkeypatch.setattr(projection, "tsne_aside", fails)
    found = projection.project(exported_catalogue(version), "embeddings", folder=tmp_path / "1", report=lambda _: None)
    assert found.method == "first two principal components" and not (tmp_path / "explorer").exists()


def test_a_map_is_kept_beside_the_export_and_read_again(version, tmp_path, monkeypatch):
    catalogue = exported_catalogue(version)
    monkeypatch.setattr(projection, "find_spec", lambda name: None)
    folder = tmp_path / "models" / "1"
    folder.mkdir(parents=True)
    made = projection.project(catalogue, "embeddings", folder=folder, report=lambda share: None)
    [kept] = (tmp_path / "models" / "explorer").iterdir()
    np.testing.assert_array_equal(np.load(kept), made.points)
    monkeypatch.setattr(projection, "principal_components", lambda vectors: pytest.fail("computed again"))
    again = projection.project(catalogue, "embeddings", folder=folder, report=lambda share: None)
    np.testing.assert_array_equal(again.points, made.points)


def test_a_map_that_cannot_be_kept_beside_the_export_is_kept_for_the_user(version, tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "find_spec", lambda name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "explorer").write_text("a file where a folder would be", encoding="utf-8")
    projection.project(exported_catalogue(version), "kernels", folder=tmp_path / "1", report=lambda share: None)
    assert [path.name[:8] for path in (tmp_path / "cache" / "tf-metammf" / "explorer").iterdir()] == ["kernels-"]


def test_search_finds_what_a_plain_scan_finds():
    texts = ["Käse", "käsebrot", "brot  mit\nKÄSE", "x", ""]
    search = TextSearch(texts)
    for query in ("käse", "BROT", "mit käse", "x", "nothing", "e"):
        folded = " ".join(query.split()).casefold()
        expected = {at for at, text in enumerate(texts) if folded in " ".join(text.split()).casefold()}
        assert set(search.find(query, 10)) == expected
    assert search.find("käse", 10)[0] == 0 and search.find("", 3) == [0, 1, 2]
    assert search.find("käse", 1) == [0]
