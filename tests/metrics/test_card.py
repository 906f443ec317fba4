import json
from dataclasses import replace

import pytest
import torch

from metrics.card import MetricCard

CARD = MetricCard(
    key="fvd256_16f/efficientnet_lite0",
    value=123.25,
    num_real=256,
    num_fake=256,
    num_frames=16,
    fps=12.5,
    frame_size=(64, 64),
    resize="112x112, bilinear, antialiased, stretched",
    feature_network="efficientnet_lite0",
    weights_sha256="5793",
    real_fingerprint="ab12",
    real_split="validation",
    real_clips_sha256="cd34",
    seed=7,
    sampling={"weights": "moving average", "truncation": 1.0, "conditions_on_clips": False},
    step=1000,
)


def test_survives_json() -> None:
    assert MetricCard.from_dict(json.loads(json.dumps(CARD.as_dict()))) == CARD


def test_tells_versions() -> None:
    assert CARD.versions["torch"] == torch.__version__
    assert set(CARD.versions) == {"torch", "torchmetrics", "kinogan"}
    assert CARD.versions["kinogan"].count(".") == 2


def test_what_was_measured_may_differ() -> None:
    assert CARD.differences(replace(CARD, value=1.0, step=None)) == []
    assert CARD.differences(replace(CARD, versions={**CARD.versions, "torch": "2.0"})) == []


def test_how_it_was_measured_may_not() -> None:
    other = replace(CARD, num_real=128, weights_sha256="0000", versions={**CARD.versions, "kinogan": "9"})
    assert CARD.differences(other) == ["num_real", "weights_sha256", "versions"]


def test_videos_drawn_otherwise_are_not_compared() -> None:
    assert CARD.differences(replace(CARD, sampling={**CARD.sampling, "truncation": 0.7})) == ["sampling"]


def test_something_else_is_refused() -> None:
    for content in ({"frame_size": [1, 1]}, {}, {**CARD.as_dict(), "surprise": 1}):
        with pytest.raises(ValueError, match="not the card of a metric"):
            MetricCard.from_dict(content)


@pytest.mark.parametrize(
    "changed", [{"value": float("nan")}, {"value": "1"}, {"interval": [1]}, {"interval": ["a", "b"]}, {"versions": {}}]
)
def test_a_card_that_somebody_has_edited_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not the card of a metric: its"):
        MetricCard.from_dict({**CARD.as_dict(), **changed})
