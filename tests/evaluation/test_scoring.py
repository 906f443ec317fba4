import json
from pathlib import Path

import numpy as np
import pytest

from evaluation.file_side import Files
from evaluation.open_videos import open_videos
from evaluation.processes import Processes
from evaluation.scoring import FIRST_CLIPS, Repeated, ScoreMeasurement
from metrics.card import MetricCard
from metrics.score_protocols import score_protocol_named
from tests.evaluation.networks import array, files


@pytest.fixture
def real(tmp_path: Path) -> Files:
    return files(array(tmp_path / "real.npy", 5))


def damaged(tmp_path: Path, amounts: list[int], name: str = "fake.npy") -> Files:
    """Copies of the first real video, the second, ..., each as much darker as is given, in its place."""
    videos = np.load(tmp_path / "real.npy").astype(int)
    copies = [videos[index * len(videos) // len(amounts)] - amount for index, amount in enumerate(amounts)]
    np.save(tmp_path / name, np.stack(copies).clip(0, 255).astype(np.uint8))
    return files(tmp_path / name)


def scored(real: Files | None, fake: Files, *names: str, **given: object) -> dict[str, MetricCard]:
    measurement = ScoreMeasurement(real, fake, [score_protocol_named(name) for name in names], **given)
    found = list(measurement.measure())
    assert [(each.name, each.failure) for each in found] == [(name, "") for name in names]
    return {each.name: each.cards[0] for each in found}


def test_a_damaged_copy(tmp_path: Path, real: Files) -> None:
    """Darker by 5 everywhere: a mean squared error of 25, 34.15 dB."""
    cards = scored(real, damaged(tmp_path, [5] * 5), "psnr_8f", "ssim_8f", "psnr_4f")
    assert cards["psnr_8f"].value == pytest.approx(20 * np.log10(255 / 5), abs=1e-4)
    assert cards["psnr_8f"].interval == pytest.approx((34.1514, 34.1514), abs=1e-3)
    assert len(cards["psnr_8f"].curve) == 8 and len(cards["psnr_4f"].curve) == 4
    assert 0.9 < cards["ssim_8f"].value < 1
    assert (cards["psnr_8f"].num_real, cards["psnr_8f"].num_fake, cards["psnr_8f"].seed) == (5, 5, 0)
    same = scored(real, real, "psnr_8f", "ssim_8f")
    assert (same["psnr_8f"].value, same["ssim_8f"].value) == pytest.approx((100, 1))


def test_the_best_of_several(tmp_path: Path, real: Files) -> None:
    """Two copies of each real video, the better one now first, now second."""
    fake = damaged(tmp_path, [5, 9, 9, 5, 5, 9, 9, 5, 5, 9])
    card = scored(real, fake, "psnr_8f_best_of_2")["psnr_8f_best_of_2"]
    assert card.value == pytest.approx(20 * np.log10(255 / 5), abs=1e-4)
    assert (card.num_real, card.num_fake, card.estimator["best_of"]) == (5, 10, 2)


def test_pairs_are_read_once_for_their_samples(real: Files) -> None:
    clips = real.clips(FIRST_CLIPS, None, 8, 1, 0, None)
    repeated = Repeated(clips, 3)
    assert (len(repeated), repeated.name(7), repeated.name(8)) == (15, "2", "2")
    (batch,) = repeated.read([range(4, 8)])
    assert all((each == clips.clip(index // 3)).all() for each, index in zip(batch, range(4, 8), strict=True))


def test_what_is_not_paired_needs_no_real_video(tmp_path: Path, real: Files) -> None:
    card = scored(None, real, "flow_warping_error_8f")["flow_warping_error_8f"]
    assert (card.num_real, card.num_fake, card.real_fingerprint, len(card.curve)) == (0, 5, "", 7)
    assert card == scored(files(array(tmp_path / "other.npy", 3)), real, "flow_warping_error_8f")[card.key]


def test_one_that_cannot_be_computed_loses_no_other(tmp_path: Path) -> None:
    """NIQE knows nothing of a frame of one colour."""
    np.save(tmp_path / "flat.npy", np.full((2, 8, 16, 16, 3), 100, np.uint8))
    names = ["niqe_scikit_video_enlarged_8f", "flow_warping_error_8f"]
    found = list(ScoreMeasurement(None, files(tmp_path / "flat.npy"), list(map(score_protocol_named, names))).measure())
    assert [each.name for each in found] == names
    assert "one colour" in found[0].failure and not found[0].cards
    assert found[1].cards[0].value == 0


def test_only_the_first_process_has_cards(real: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = score_protocol_named("flow_warping_error_8f")
    measurement = ScoreMeasurement(None, real, [protocol], processes=Processes(rank=1, world_size=2))
    monkeypatch.setattr(Processes, "together", lambda self, work: work())
    assert [(each.cards, each.failure) for each in measurement.measure()] == [((), "")]


def test_the_perceptual_index_needs_what_the_user_brings(tmp_path: Path, real: Files) -> None:
    def refused(expected: str, scores: dict[str, float] | None, *names: str) -> None:
        path = None
        if scores is not None:
            path = str(tmp_path / "ma.json")
            Path(path).write_text(json.dumps(scores))
        with pytest.raises((ValueError, OSError), match=expected) as raised:
            scored(None, real, *names, ma_scores=path)
        assert "\n" not in str(raised.value)

    refused("MATLAB alone", None, "perceptual_index_8f")
    refused("perceptual_index_8f: 2 of 5 clips have no score of Ma et al., first 3", {"0": 5, "1": 5, "2": 5},
            "perceptual_index_8f")  # fmt: skip
    refused("scores of Ma et al. are given, and no perceptual index is measured", {"0": 5}, "flow_warping_error_8f")


def test_what_cannot_work_is_found_before_anything_is_computed(tmp_path: Path, real: Files, video_folder: Path) -> None:
    def refused(expected: str, real: Files | None, fake: Files, *names: str) -> None:
        with pytest.raises((ValueError, OSError), match=expected) as raised:
            ScoreMeasurement(real, fake, [score_protocol_named(name) for name in names])
        assert "\n" not in str(raised.value)

    refused("psnr_8f compares each clip with a real one; give the real videos with --real", None, real, "psnr_8f")
    fewer, more = damaged(tmp_path, [1] * 4, "fewer.npy"), damaged(tmp_path, [1] * 6, "more.npy")
    for fake, count in ((fewer, 4), (more, 6)):
        refused(f"psnr_8f compares clip by clip: 5 real videos need 5 fake ones, .* and there are {count}", real, fake,
                "psnr_8f")  # fmt: skip
    refused("5 real videos need 15 fake ones, .* and there are 6", real, more, "psnr_8f_best_of_3")
    refused("none of the 5 videos, of at most 8 frames, is long enough", real, real, "psnr_9f")
    videos = Files(open_videos(video_folder))  # one has 10 frames
    refused("psnr_16f compares clip by clip: 1 real video shorter than 16 frames", videos, videos, "psnr_16f")
    refused("flow_warping_error_1f: it is of 2 frames or more", None, real, "flow_warping_error_1f")
    tiny = files(array(tmp_path / "tiny.npy", 2, size=8))
    refused("flow_warping_error_8f: .*at least 12x12 pixels; got 8x8", None, tiny, "flow_warping_error_8f")
    refused("lpips_alex_8f: .* at least 31x31 pixels; got 16x16", real, real, "lpips_alex_8f")


def test_lpips_without_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*arguments: object, **given: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    real = files(array(tmp_path / "real.npy", 2, size=32))
    with pytest.raises(ValueError, match=r"lpips_alex_8f: .* `python evaluate\.py weights --fetch alexnet`") as raised:
        scored(real, real, "lpips_alex_8f")
    assert "\n" not in str(raised.value)
