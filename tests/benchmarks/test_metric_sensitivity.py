"""The study's metrics, its clips, and what is known of the metrics that come with the installation."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.damages import DAMAGES, freeze, swap_frames
from benchmarks.metric_sensitivity import main
from benchmarks.sensitivity_clips import read_study_clips
from benchmarks.sensitivity_measuring import HIGHER_IS_BETTER, ClipRows, MetricSuite
from datamodules.acting_figures_drawing import write_acting_figures
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.feature_network import fit_gaussians
from metrics.feature_statistics import Gaussian
from tests.metrics.moving_shapes import moving_shapes

BY_NAME = {damage.name: damage for damage in DAMAGES}


@pytest.fixture(scope="module")
def clips() -> Tensor:
    return moving_shapes(num_clips=16, num_frames=8, size=64)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos") / "figures"
    return write_acting_figures(folder, num_people=2, num_takes=1, num_frames=12)


@pytest.fixture(scope="module")
def suite() -> MetricSuite:
    return MetricSuite(num_clips=8, num_frames=8)


@pytest.fixture(scope="module")
def known(suite: MetricSuite, clips: Tensor) -> tuple[ClipRows, ClipRows]:
    """Of the fake side, compared with itself, and of the real side."""
    torch.set_num_threads(1)
    return suite.rows(clips[:8], undamaged=clips[:8]), suite.rows(clips[8:])


def gaussians(clips: Tensor) -> dict[str, Gaussian]:
    return fit_gaussians(EfficientNetLite0(), [clips])


def test_efficientnet_s_distances_rise_with_damage_step_by_step(clips: Tensor) -> None:
    clips = clips[:8]
    real, still = gaussians(clips), gaussians(freeze(clips, 1.0))
    worst = real["fvd"].distance(still["fvd"])
    for name in ("noise", "blur", "swapped"):
        damage = BY_NAME[name]
        assert damage.of_clips is not None
        damaged = [gaussians(damage.of_clips(clips, strength)) for strength in damage.strengths]
        fvd = [0.0, *(real["fvd"].distance(each["fvd"]) for each in damaged)]
        # 1 % of what a still picture costs is the least step that counts.
        assert all(after - before > 0.01 * worst for before, after in pairwise(fvd)), (name, fvd)
        if name == "swapped":
            assert fvd[-1] < worst
            assert real["fid"].distance(damaged[-1]["fid"]) < 1e-3 * real["fid"].distance(still["fid"])


def test_every_metric_has_a_value_an_interval_and_a_key(suite: MetricSuite, known: tuple[ClipRows, ClipRows]) -> None:
    fake, real = known
    suite.set_real(real)
    found = suite.estimates(fake)
    assert found.keys() == suite.keys.keys()
    assert found.keys() >= HIGHER_IS_BETTER
    for name, estimate in found.items():
        assert estimate.interval is not None
        assert estimate.interval[0] <= estimate.value <= estimate.interval[1], name
    assert found["PSNR"].value == 100
    assert found["SSIM"].value == pytest.approx(1)
    assert suite.keys["FVD"] == "fvd8_8f/efficientnet_lite0"
    assert suite.keys["FID"] == "fid16/efficientnet_lite0"


def test_copies_of_the_real_clips(suite: MetricSuite, known: tuple[ClipRows, ClipRows]) -> None:
    fake, real = known
    suite.set_real(real)
    memorise = BY_NAME["memorised"].of_set
    assert memorise is not None
    found = suite.estimates(fake.followed_by(real).of(memorise([0] * 8, 1.0)))
    assert not found.keys() & {"PSNR", "SSIM"}  # they have no undamaged clip beside them
    for name, best in (
        ("FID", 0),
        ("FVD", 0),
        ("motion FVD", 0),
        ("memorisation", 0),
        ("precision", 1),
        ("coverage", 1),
    ):
        assert found[name].value == pytest.approx(best, abs=1e-6)


def test_rows_of_chosen_clips_are_those_of_the_clips(
    suite: MetricSuite, clips: Tensor, known: tuple[ClipRows, ClipRows]
) -> None:
    fake, real = known
    chosen = torch.tensor([0, 9, 9, 4])
    rows, again = fake.followed_by(real).of(chosen), suite.rows(clips[chosen])
    for source, expected in again.features.items():
        torch.testing.assert_close(rows.features[source], expected, rtol=1e-4, atol=1e-4)
    for name, values in again.scores.items():
        torch.testing.assert_close(rows.scores[name], values)


def test_the_other_metrics_of_frames_are_blind_to_their_order(clips: Tensor, suite: MetricSuite) -> None:
    one = clips[:1]
    still = suite.rows(freeze(one, 1.0)).features["efficientnet_lite0", "fid"]
    torch.testing.assert_close(still[0, 0], still[0, 1])
    swapped, whole = EfficientNetLite0()(swap_frames(one, 3)), EfficientNetLite0()(one)
    torch.testing.assert_close(swapped["is"].sort(dim=0).values, whole["is"].sort(dim=0).values, rtol=1e-4, atol=1e-4)
    backwards = EfficientNetLite0()(one.flip(2))
    torch.testing.assert_close(backwards["fvd"], whole["fvd"], rtol=1e-4, atol=1e-4)  # and of clips, to direction


def test_further_protocols_must_be_of_the_same_clips() -> None:
    suite = MetricSuite(8, 16, also=("fvd8_16f/optical_flow",))
    assert suite.keys["fvd8_16f/optical_flow"] == "fvd8_16f/optical_flow"
    with pytest.raises(ValueError, match="is not of 8 clips of 16 frames"):
        MetricSuite(8, 16, also=("fvd16_16f/optical_flow",))


def test_sides_share_no_person(figures: Path) -> None:
    study = read_study_clips(figures, num_clips=100, num_frames=4, size=32, group_pattern=r"person(\d+)")
    assert study.real.shape == study.fake.shape == (15, 3, 4, 32, 32)  # 5 videos of 12 frames on either side
    assert study.real.dtype == torch.uint8
    assert sorted(study.modes) == sorted(list(range(5)) * 3)
    assert study.description["num_clips"] == 15
    real, fake = ({clip.numpy().tobytes() for clip in side} for side in (study.real, study.fake))
    assert len(real) == len(fake) == 15
    assert not real & fake


def test_a_list_names_the_real_side(figures: Path, tmp_path: Path) -> None:
    names = sorted(str(path.relative_to(figures)) for path in figures.rglob("*.mp4"))
    (tmp_path / "real.txt").write_text("\n".join(names[:2]))
    study = read_study_clips(figures, 4, 4, 32, real_list=tmp_path / "real.txt")
    assert study.description["real"] == "4 clips of 2 videos"
    assert study.description["fake"] == "4 clips of the 8 other videos"
    (tmp_path / "all.txt").write_text("\n".join(names))
    with pytest.raises(ValueError, match="names all videos"):
        read_study_clips(figures, 4, 4, 32, real_list=tmp_path / "all.txt")
    with pytest.raises(ValueError, match="not both"):
        read_study_clips(figures, 4, 4, 32, real_list=tmp_path / "all.txt", group_pattern="(.)")


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--videos", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
