"""The map: what is on it, where, and that its columns say what the selection says."""

import base64
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from rlsel.coreset import Coreset
from rlsel.export import ResolvedExport
from rlsel.report.page_data import selection_page
from rlsel.report.sample_map import payload, sample_map
from rlsel.report.seen import Seen


def column(data: Any, name: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data["columns"][name]), dtype)


def test_the_columns_say_what_the_selection_says(coreset: Coreset, seen: Seen) -> None:
    page = selection_page(coreset, seen)
    data = payload(page.map, page.material, cells={3: 9}, other=None)
    positions = column(data, "position", "<i4")
    assert positions.tolist() == coreset.candidates.tolist()
    assert column(data, "kept", "u1").tolist() == [int(position in coreset.indices) for position in positions]
    assert column(data, "label", "<u2").tolist() == coreset.labels[positions].tolist()
    assert column(data, "score", "<f4").tolist() == coreset.scores[positions].tolist()
    assert column(data, "cell", "<i4").tolist() == [9 if place == 3 else -1 for place in range(83)]
    assert column(data, "doubt", "<f4").tolist() == seen.label_error.tolist()
    assert "other" not in data["columns"]


def test_the_slider_replays_every_cut(coreset: Coreset, seen: Seen) -> None:
    page = selection_page(coreset, seen)
    data = payload(page.map, page.material, cells={}, other=None)
    bits = column(data, "keptAt", "u1").reshape(83, data["bytesPerSample"])
    assert len(data["stops"]) == 50
    assert data["stops"][data["own"]] == 0.4
    for number, ratio in enumerate(data["stops"]):
        kept = (bits[:, number >> 3] >> (number & 7)) & 1
        # no selector looks at the ratio here: the best of all scores, one of each class at least
        assert kept.sum() == int(ratio * 83 + 0.5)
        assert coreset.candidates[kept == 1].tolist() == coreset.at_ratio(ratio).indices.tolist()


def test_of_very_many_every_fifth_cut_is_replayed(coreset: Coreset, seen: Seen) -> None:
    with patch("rlsel.report.sample_map.MOST_FOR_ALL_STOPS", 82):
        stops = sample_map(coreset, seen.features).stops
    assert stops == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def test_a_threshold_has_nothing_to_replay(make_selection: Any, make_seen: Any) -> None:
    coreset = make_selection(export=ResolvedExport(mode="threshold"), thresholded=0.5)
    page = selection_page(coreset, make_seen(coreset))
    data = payload(page.map, page.material, cells={}, other=None)
    assert (data["stops"], data["own"], data["bytesPerSample"]) == ([], -1, 0)


def test_of_many_samples_each_class_shows_its_share(make_selection: Any) -> None:
    coreset = make_selection(1007)
    features = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0))
    with patch("rlsel.report.sample_map.MOST_SAMPLES", 100):
        shown = sample_map(coreset, features)
    assert (len(shown.places), shown.of) == (100, 1000)
    assert (np.diff(shown.places) > 0).all()
    labels = coreset.labels[coreset.candidates]
    sizes, chosen = np.bincount(labels), np.bincount(labels[shown.places])
    # a tenth of each class, up to the rounding of one sample
    assert np.abs(chosen - sizes / 10).max() < 1
