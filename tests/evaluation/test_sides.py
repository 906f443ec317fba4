from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluation.file_side import Files
from evaluation.generated_side import Generated
from evaluation.measuring import FeatureMeasurement
from evaluation.open_videos import open_videos
from evaluation.scoring import ScoreMeasurement
from evaluation.sides import NumberedClips
from evaluation.trained_run import TrainedRun, open_run
from metrics.clip_rules import STYLEGAN_V_GENERATED, VIDEO_UNIFORM
from metrics.protocols import NETWORKS, protocol_named
from metrics.score_protocols import score_protocol_named
from tests.evaluation.networks import Quarters, array, files
from tests.evaluation.runs import TINY_DEMO, built, small


@pytest.fixture(scope="module")
def open_built(tmp_path_factory: pytest.TempPathFactory, video_folder: Path) -> Callable[[str], TrainedRun]:
    opened: dict[str, TrainedRun] = {}

    def open_one(name: str) -> TrainedRun:
        if name not in opened:
            given = TINY_DEMO if name == "demo" else small(name)
            folder = built(tmp_path_factory.mktemp(name), video_folder, *given, "--data.skip_short_videos", "true")
            opened[name] = open_run(folder)
        return opened[name]

    return open_one


@pytest.fixture
def real(video_folder: Path) -> Files:
    """Videos of 20, 16, 24 and 10 frames, of two classes."""
    return Files(open_videos(video_folder), batch_size=2)


def all_of(clips: NumberedClips, world_size: int = 1) -> Tensor:
    made: dict[int, Tensor] = {}
    for rank in range(world_size):
        batches = clips.own_batches(rank, world_size)
        for batch, part in zip(batches, clips.read(batches), strict=True):
            assert len(part) == len(batch) and not made.keys() & set(batch)
            made.update(zip(batch, part, strict=True))
    return torch.stack([made[index] for index in range(len(clips))])


def test_files(real: Files) -> None:
    assert (real.frame_size, real.longest, real.class_names, real.sampling, real.step) == (
        (64, 64), 24, ("bow", "wave"), {}, None,
    )  # fmt: skip
    clips = real.clips(STYLEGAN_V_GENERATED, None, 16, 1, 0, (16, 16))
    assert (len(clips), clips.num_too_short, clips.labels) == (3, 1, [0, 0, 1])
    assert [clips.name(index) for index in range(3)] == ["bow/0.mp4", "bow/1.mp4", "wave/2.mp4"]
    whole = all_of(clips)
    assert whole.shape == (3, 3, 16, 16, 16)
    assert torch.equal(clips.clip(1), whole[1])
    for world_size in (2, 4):  # of four processes two have none
        assert torch.equal(all_of(clips, world_size), whole)


def test_the_stride_of_the_data(video_folder: Path, real: Files) -> None:
    half = Files(open_videos(video_folder), frame_stride=2)
    assert (half.longest, half.fps) == (12, (real.fps or 0) / 2)
    thinned = half.clips(STYLEGAN_V_GENERATED, None, 3, 2, 0, (16, 16)).clip(0)
    assert torch.equal(thinned, real.clips(STYLEGAN_V_GENERATED, None, 3, 4, 0, (16, 16)).clip(0))
    for name in ("frame_stride", "batch_size"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
            Files(open_videos(video_folder), **{name: 0})


def test_contents_are_read_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = files(array(tmp_path / "videos.npy", 3))
    monkeypatch.setattr(type(side.source), "_rows", property(lambda self: pytest.fail("it was hashed")))
    assert len(side.clips(VIDEO_UNIFORM, 5, 8, 1, 0, None)) == 5


def test_a_generator(open_built: Callable[[str], TrainedRun], real: Files) -> None:
    side = Generated(open_built("demo"), fps=8, batch_size=2)
    assert (side.frame_size, side.longest, side.fps, side.step) == ((16, 16), 8, 8, 7)
    assert side.fingerprint == side.run.checkpoint_sha256
    assert "classes" not in side.sampling and side.sampling["weights"] == "moving average"
    clips = side.clips(VIDEO_UNIFORM, 5, 8, 1, 0, (16, 16), lambda frames: pytest.fail("it needs no real clip"))
    assert torch.equal(all_of(clips, 2), all_of(clips)) and clips.labels is None
    with pytest.raises(ValueError, match="makes any number of videos; say how many"):
        side.clips(VIDEO_UNIFORM, None, 8, 1, 0, None)
    with pytest.raises(ValueError, match="makes frames of 16x16, and 32x32 are wanted; write its videos to files"):
        side.clips(VIDEO_UNIFORM, 5, 8, 1, 0, (32, 32))
    with pytest.raises(ValueError, match=r"clips of 9 frames .*; take another protocol"):
        side.clips(VIDEO_UNIFORM, 5, 9, 1, 0, None)


def test_longer_clips_where_the_generator_can(open_built: Callable[[str], TrainedRun]) -> None:
    run = open_built("digan")
    longer = Generated(run).clips(VIDEO_UNIFORM, 2, 2 * run.module.generator.num_frames, 1, 0, None)
    assert longer.clip(1).shape[1] == 2 * run.module.generator.num_frames


def test_a_conditional_generator_gets_the_classes_of_real_clips(
    open_built: Callable[[str], TrainedRun], real: Files
) -> None:
    run = open_built("lsgan_conditional")
    num_classes = run.module.generator.num_classes
    asked: list[int] = []

    def partners(num_frames: int) -> NumberedClips:
        asked.append(num_frames)
        return real.clips(VIDEO_UNIFORM, 5, 8, 1, 3, None)

    names = [str(number) for number in range(num_classes)]
    alike = Generated(run, class_names=names).clips(VIDEO_UNIFORM, 5, 8, 1, 0, None, partners)
    assert asked == [run.module.generator.num_frames]
    assert alike.labels == real.clips(VIDEO_UNIFORM, 5, 8, 1, 3, None).labels
    assert Generated(run, class_names=names).sampling["classes"] == "of real videos"
    other = Generated(run, class_names=[*names, "one more"])
    assert other.sampling["classes"] == "in turns"
    turns = other.clips(VIDEO_UNIFORM, 5, 8, 1, 0, None, partners)
    assert turns.labels is None and len(asked) == 1
    same = [index for index, label in enumerate(alike.labels) if label == index % num_classes]
    assert all(torch.equal(alike.clip(index), turns.clip(index)) == (index in same) for index in range(5))


def test_the_classes_do_not_depend_on_what_else_is_measured(
    open_built: Callable[[str], TrainedRun], real: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORKS, "quarters", Quarters)
    run = open_built("lsgan_conditional")
    fake = Generated(run, class_names=[str(number) for number in range(run.module.generator.num_classes)])
    names = ["is5_8f/quarters", "memorisation5_8f/quarters", "fvd4_8f/quarters", "fvd5_4f/quarters"]
    measurement = FeatureMeasurement(real, fake, list(map(protocol_named, names)), size=(32, 32))
    _, others = measurement.passes[0].clips(0)
    for each in measurement.passes:
        _, clips = each.clips(0)
        assert clips.labels is not None and others.labels is not None
        assert clips.labels[:4] == others.labels[:4]


def test_a_generator_of_real_clips_gets_them(open_built: Callable[[str], TrainedRun], real: Files) -> None:
    run = open_built("wgan_gp_conditional")
    side = Generated(run)
    with pytest.raises(ValueError, match="makes videos from real ones; give them with --real"):
        side.clips(VIDEO_UNIFORM, 2, 8, 1, 0, None)
    shape = side.longest, 1, 0, side.frame_size
    asked: list[int] = []

    def partners(num_frames: int) -> NumberedClips:
        asked.append(num_frames)
        return real.clips(VIDEO_UNIFORM, 3, num_frames, *shape[1:])

    whole = side.clips(VIDEO_UNIFORM, 3, *shape, partners)
    part = side.clips(VIDEO_UNIFORM, 3, 4, 1, 0, None, partners)  # is cut from whole ones
    assert asked == [side.longest, side.longest]
    assert torch.equal(part.clip(2), whole.clip(2)[:, :4])
    assert not torch.equal(whole.clip(1), whole.clip(2))


def test_a_generator_is_scored_with_the_clips_that_it_was_given(
    open_built: Callable[[str], TrainedRun], real: Files
) -> None:
    side = Generated(open_built("wgan_gp_conditional"), batch_size=2)
    protocol = score_protocol_named("psnr_8f_best_of_2")
    with pytest.raises(ValueError, match="makes its clips of 16 frames of real videos, and some are shorter; leave"):
        ScoreMeasurement(real, side, [protocol], num_videos=2)
    long_enough = Files(real.source.restricted_to(real.source.names[:3]))
    measurement = ScoreMeasurement(long_enough, side, [protocol], num_videos=2)
    beside, fake = measurement.clips[protocol.name]
    assert beside is not None and (len(beside), len(fake)) == (4, 4)
    (card,) = next(measurement.measure()).cards
    assert (card.num_real, card.num_fake) == (2, 4)
    assert card.sampling["conditions_on_clips"]
    starts = [beside.name(index) for index in range(4)]
    assert starts[0] == starts[1] and starts[2] == starts[3] and starts[0] != starts[2]
