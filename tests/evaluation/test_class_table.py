import pytest
import torch

from evaluation.class_table import class_rows
from metrics.frechet import frechet_distance
from tests.evaluation.clip_sets import clip_set


def test_means_counts_and_what_the_nearest_clip_is() -> None:
    real = clip_set("real", [[0, 0], [2, 0], [10, 0], [12, 0]], [0, 0, 2, 2])
    fake = clip_set("generated", [[1, 3], [11, 4], [2, 0], [9, 0]], [0, 2, 2, 1])
    bow, jump, wave = class_rows(real, fake, ("bow", "jump", "wave"))
    assert (bow.name, bow.num_real, bow.num_fake, bow.share_recognised) == ("bow", 2, 1, 1.0)
    assert bow.mean_distance == pytest.approx(3)
    assert (jump.num_real, jump.num_fake, jump.mean_distance, jump.share_recognised) == (0, 1, None, 0.0)
    assert wave.share_recognised == 0.5  # one of the two that should wave bows
    assert wave.mean_distance == pytest.approx((4.5**2 + 2**2) ** 0.5)
    assert bow.frechet is jump.frechet is wave.frechet is None


def test_frechet_distance_where_there_are_more_clips_than_features() -> None:
    real, fake = torch.randn(40, 3), torch.randn(40, 3) + 1
    labels = [0] * 4 + [1] * 36
    few, enough = class_rows(clip_set("real", real, labels), clip_set("generated", fake, labels), ("a", "b"))
    assert few.frechet is not None  # 4 clips, 3 features
    assert class_rows(clip_set("real", real[:3], [0] * 3), clip_set("generated", fake, labels), "ab")[0].frechet is None
    (mean_a, cov_a), (mean_b, cov_b) = ((rows[4:].double().mean(0), rows[4:].double().T.cov()) for rows in (real, fake))
    assert enough.frechet == pytest.approx(frechet_distance(mean_a, cov_a, mean_b, cov_b), rel=1e-6)


def test_what_does_not_fit() -> None:
    real, fake = clip_set("real", torch.zeros(2, 3), [0, 1]), clip_set("generated", torch.zeros(2, 3), [0, 1])
    with pytest.raises(ValueError, match="labels are 0 to 1; there are names of 1 classes"):
        class_rows(real, fake, ("a",))
    with pytest.raises(ValueError, match="needs labels and features of both sides"):
        class_rows(real, clip_set("generated", torch.zeros(2, 3)), ("a", "b"))
