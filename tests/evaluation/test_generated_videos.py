from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluation.generated_videos import GeneratedVideos
from evaluation.trained_run import TrainedRun, open_run
from tests.evaluation.runs import TINY_DEMO, built, small
from video_io.pixels import float_to_uint8


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


@pytest.fixture(scope="module")
def demo(open_built: Callable[[str], TrainedRun]) -> TrainedRun:
    return open_built("demo")


def all_of(videos: GeneratedVideos, world_size: int = 1) -> Tensor:
    """(N, C, T, H, W), as so many processes make them."""
    made: dict[int, Tensor] = {}
    for rank in range(world_size):
        for indices, clips in videos.batches(rank, world_size):
            assert len(clips) == len(indices)
            assert not made.keys() & set(indices)
            made.update(zip(indices, clips, strict=True))
    return torch.stack([made[index] for index in range(len(videos))])


def test_videos_are_what_the_module_generates(demo: TrainedRun) -> None:
    videos = all_of(GeneratedVideos(demo, 6, seed=3, batch_size=6))
    assert videos.shape == (6, 3, 8, 16, 16) and videos.dtype == torch.uint8
    latents = demo.module.sample_latents(range(6), seed=3)
    assert torch.equal(videos, float_to_uint8(demo.module.generate(6, latents)))


def test_processes_and_what_is_asked_for_change_nothing(demo: TrainedRun) -> None:
    videos = GeneratedVideos(demo, 11, batch_size=4)
    whole = all_of(videos)
    for world_size in (2, 4):  # of four processes the last makes nothing
        assert torch.equal(all_of(videos, world_size), whole)
    for index in (10, 3, 8):
        assert torch.equal(videos.clip(index), whole[index])
    with pytest.raises(IndexError, match="video 11 of 11"):
        videos.clip(11)


def test_batch_size_and_number_change_no_more_than_rounding(demo: TrainedRun) -> None:
    first = all_of(GeneratedVideos(demo, 11, batch_size=4)).int()
    for other in (GeneratedVideos(demo, 11, batch_size=16), GeneratedVideos(demo, 3, batch_size=1)):
        difference = all_of(other).int() - first[: len(other)]
        assert difference.abs().max() <= 1


def test_seeds_are_other_videos(demo: TrainedRun) -> None:
    assert not torch.equal(all_of(GeneratedVideos(demo, 2, seed=0)), all_of(GeneratedVideos(demo, 2, seed=1)))


def test_what_decides_them(demo: TrainedRun) -> None:
    assert GeneratedVideos(demo, 2, 4, seed=5).identity == {**demo.identity, "seed": 5, "num_frames_made": 8}


def test_fewer_frames_are_the_first_of_a_whole_video(demo: TrainedRun) -> None:
    whole = all_of(GeneratedVideos(demo, 3))
    assert torch.equal(all_of(GeneratedVideos(demo, 3, num_frames=5)), whole[:, :, :5])
    assert torch.equal(all_of(GeneratedVideos(demo, 3, num_frames=3, frame_stride=3)), whole[:, :, :7:3])


def test_longer_videos_where_the_generator_can(open_built: Callable[[str], TrainedRun], demo: TrainedRun) -> None:
    run = open_built("digan")
    longer = GeneratedVideos(run, 2, num_frames=5, frame_stride=8)
    assert longer.identity["num_frames_made"] == 33
    latents = run.module.sample_latents(range(2), 0, 33)
    expected = float_to_uint8(run.module.generate(2, latents))[:, :, ::8]
    assert torch.equal(all_of(longer), expected)
    with pytest.raises(
        ValueError, match="clips of 5 frames with stride 8 need 33 frames; CompactGenerator makes 8; take another"
    ):
        GeneratedVideos(demo, 2, num_frames=5, frame_stride=8)


def test_labels(open_built: Callable[[str], TrainedRun], demo: TrainedRun) -> None:
    run = open_built("lsgan_conditional")
    num_classes = run.module.generator.num_classes
    turns = GeneratedVideos(run, 5, batch_size=2)
    assert list(turns.labels or ()) == [index % num_classes for index in range(5)]
    given = GeneratedVideos(run, 5, labels=[1, 1, 2, 3, 4], batch_size=2)
    assert torch.equal(given.clip(2), turns.clip(2))
    assert not torch.equal(given.clip(0), turns.clip(0))
    with pytest.raises(ValueError, match="2 labels do not fit 5 videos"):
        GeneratedVideos(run, 5, labels=[1, 0])
    with pytest.raises(ValueError, match=f"the labels are 0 to 99; the generator has {num_classes} classes"):
        GeneratedVideos(run, 2, labels=[0, 99])
    assert GeneratedVideos(demo, 5, labels=[1, 0, 0, 1, 1]).labels is None  # this one knows no classes


def test_videos_from_real_clips(open_built: Callable[[str], TrainedRun]) -> None:
    run = open_built("wgan_gp_conditional")
    clips = torch.randint(0, 256, (5, *run.module.video_shape), dtype=torch.uint8)
    videos = GeneratedVideos(run, 5, conditions=lambda index: clips[index], batch_size=2)
    whole = all_of(videos)
    assert torch.equal(all_of(videos, 2), whole)
    others = GeneratedVideos(run, 5, conditions=lambda index: clips[0], batch_size=2)
    assert not torch.equal(all_of(others)[1:], whole[1:])
    with pytest.raises(ValueError, match="makes videos from real clips; it needs those of its data"):
        GeneratedVideos(run, 5)


@pytest.mark.parametrize("name", ["num_videos", "num_frames", "frame_stride", "batch_size"])
def test_numbers_out_of_range(demo: TrainedRun, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        GeneratedVideos(**{"run": demo, "num_videos": 2, name: 0})


def test_videos_that_are_not_finite(demo: TrainedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = torch.full((2, 3, 8, 16, 16), torch.nan)
    monkeypatch.setattr(demo.module, "generate", lambda *arguments: broken)
    with pytest.raises(ValueError, match="makes videos that are not finite; take an earlier checkpoint"):
        GeneratedVideos(demo, 2).clip(0)
