"""What holds for every kind of source, and choosing among the videos of one."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.video_folder import VideoFolder
from evaluation.open_videos import open_videos
from evaluation.video_source import VideoSource, counted
from tests.numbered_videos import read_clip_numbers, write_video
from video_io.pictures import scaled_and_cut


@pytest.fixture(params=["video files", "frame folders", "array"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, video_folder: Path, pixels: dict[str, np.ndarray]
) -> VideoSource:
    if request.param == "video files":
        return open_videos(video_folder)
    if request.param == "frame folders":
        return open_videos(request.getfixturevalue("frame_folder"))
    np.save(tmp_path / "videos.npy", np.stack([frames[:10] for frames in pixels.values()]))
    return open_videos(tmp_path / "videos.npy")


def test_the_frames_asked_for_are_read(source: VideoSource) -> None:
    assert len(source) == 4
    assert list(source.names) == sorted(source.names)
    for index in range(4):
        assert source.frame_size(index) == (64, 64)
        for size in (None, (64, 64), (32, 32)):
            clip = source.read(index, [1, 4, 9], size)
            assert clip.shape == (3, 3, *(size or (64, 64))) and clip.dtype == torch.uint8
            assert read_clip_numbers(clip) == (index, [1, 4, 9], False)
    assert source.read(0, [0, 5], (64, 48)).shape == (3, 2, 64, 48)


def test_a_worker_reads_the_same(source: VideoSource) -> None:
    clip = source.read(2, [3, 4])
    assert torch.equal(pickle.loads(pickle.dumps(source)).read(2, [3, 4]), clip)
    assert len(pickle.dumps(source)) < 20_000


@pytest.mark.parametrize("frames", [[], [-1, 2], [0, 999]])
def test_frames_that_are_not_there(source: VideoSource, frames: list[int]) -> None:
    with pytest.raises(ValueError, match="asked for, but it has frames 0 to"):
        source.read(0, frames)


def test_some_videos(source: VideoSource) -> None:
    some = source.restricted_to([source.names[3], source.names[1]])
    assert some.names == (source.names[1], source.names[3])
    assert some.lengths == (source.lengths[1], source.lengths[3])
    assert read_clip_numbers(some.read(1, [2])).video == 3
    assert some.class_names == source.class_names
    assert some.fingerprint != source.fingerprint
    assert some.fingerprint == source.restricted_to(some.names).fingerprint
    with pytest.raises(ValueError, match="there is no video nobody"):
        source.restricted_to(["nobody"])
    with pytest.raises(ValueError, match="no video is left"):
        source.restricted_to([])


def test_videos_of_a_class(video_folder: Path, frame_folder: Path) -> None:
    for source in (open_videos(video_folder), open_videos(frame_folder)):
        assert (source.class_names, source.labels) == (("bow", "wave"), (0, 0, 1, 1))
        waving = source.of_classes(["wave"])
        assert waving.names == source.names[2:]
        assert waving.labels == (1, 1)  # as in the whole: a run's classes keep their numbers
        with pytest.raises(ValueError, match="there is no class hop; there are bow, wave"):
            source.of_classes(["wave", "hop"])


def test_a_list_of_names(video_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("# two\nwave/3.mp4\n\nbow/0.mp4\n")
    assert open_videos(video_folder, tmp_path / "some.txt").names == ("bow/0.mp4", "wave/3.mp4")
    assert open_videos(video_folder, tmp_path / "some.txt", ("wave",)).names == ("wave/3.mp4",)
    (tmp_path / "some.txt").write_text("wave/9.mp4\n")
    with pytest.raises(ValueError, match=r"names 1 videos that are not below root: wave/9\.mp4"):
        open_videos(video_folder, tmp_path / "some.txt")
    with pytest.raises(FileNotFoundError, match="no such list"):
        open_videos(video_folder, tmp_path / "none.txt")


def test_the_fingerprint_of_files_is_that_of_training(video_folder: Path) -> None:
    data = VideoFolder(str(video_folder), num_frames=8, validation_fraction=0)
    assert open_videos(video_folder).fingerprint == data.fingerprint("train")


def test_the_fingerprint_is_of_names_and_contents(video_folder: Path, tmp_path: Path) -> None:
    first = open_videos(video_folder).fingerprint
    copy = tmp_path / "copy"
    shutil.copytree(video_folder, copy)
    assert open_videos(copy).fingerprint == first
    (copy / "bow/0.mp4").rename(copy / "bow/00.mp4")
    renamed = open_videos(copy).fingerprint
    assert renamed != first
    shutil.copy(copy / "bow/1.mp4", copy / "bow/00.mp4")
    assert open_videos(copy).fingerprint not in (first, renamed)


def test_a_line_about_it(video_folder: Path, frame_folder: Path) -> None:
    root = video_folder.name
    assert open_videos(video_folder).describe() == (
        f"{root}: 4 videos in 2 classes, 10 to 24 frames of 64x64, 25 fps; video files"
    )
    assert open_videos(frame_folder).describe() == (
        "frames: 4 videos in 2 classes, 10 to 24 frames of 64x64; frame folders"
    )
    assert "30 fps" in open_videos(frame_folder, fps=30).describe()
    one = open_videos(video_folder).restricted_to(["bow/1.mp4"])
    assert "1 video in 1 class, 16 frames of" in one.describe()
    assert counted(1, "other size") == "1 other size"


def test_videos_have_the_speed_that_the_files_or_the_user_say(video_folder: Path, frame_folder: Path) -> None:
    assert open_videos(video_folder).fps == 25
    assert open_videos(video_folder, fps=10).fps == 10
    assert open_videos(frame_folder).fps is None
    with pytest.raises(ValueError, match="fps is 0"):
        open_videos(video_folder, fps=0)


def test_what_is_not_accepted(tmp_path: Path, video_folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "pack.kgp").write_text("?")
    (tmp_path / "mixed").mkdir()
    shutil.copy(video_folder / "bow/0.mp4", tmp_path / "mixed")
    (tmp_path / "mixed/0.png").write_text("?")
    accepted = r"give a folder of videos \(\.avi.*\), a folder of frame folders .*, a pack .* array \(\.npy, \.pt\)"
    for path, expected in (
        (tmp_path / "nowhere", rf"no such file or folder; {accepted}"),
        (tmp_path / "empty", rf"holds neither videos nor pictures; {accepted}"),
        (tmp_path / "pack.kgp", rf"of an unknown kind; {accepted}"),
        (video_folder / "bow/0.mp4", "is one file; give the folder that holds it"),
        (tmp_path / "mixed", r"holds videos \(0.mp4\) and pictures \(0.png\)"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=expected) as raised:
            open_videos(path)
        assert "\n" not in str(raised.value)


def test_an_unreadable_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"cannot decode 1 of 1 videos: a.mp4"):
        open_videos(tmp_path)


def test_one_video(tmp_path: Path, video_folder: Path) -> None:
    shutil.copy(video_folder / "bow/1.mp4", tmp_path / "only.mp4")
    source = open_videos(tmp_path)
    assert (source.names, source.labels, source.class_names) == (("only.mp4",), (0,), (tmp_path.name,))


@pytest.mark.parametrize("size", [(32, 32), (16, 40), (40, 16), (64, 64), (96, 96)])
@pytest.mark.parametrize("num_channels", [3, 1])
def test_a_disc_stays_a_disc_in_the_middle(size: tuple[int, int], num_channels: int) -> None:
    y, x = np.mgrid[:64, :128] + 0.5
    disc = np.uint8(255 * ((y - 32) ** 2 + (x - 64) ** 2 < 16**2))
    cut = scaled_and_cut(np.repeat(disc[:, :, None], num_channels, axis=2), size)
    assert cut.shape == (*size, num_channels)
    scale = max(size[0] / 64, size[1] / 128)
    rows, columns = (np.flatnonzero((cut[:, :, 0] > 127).any(axis)) for axis in (1, 0))
    for places, length in ((rows, size[0]), (columns, size[1])):
        assert len(places) == pytest.approx(min(32 * scale, length), abs=1.5)
        assert (places[0] + places[-1] + 1) / 2 == pytest.approx(length / 2, abs=1)


def test_pictures_are_scaled_as_video_files_are(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :96]
    rings = np.uint8(127 + 100 * np.sin(np.hypot(x - 48, y - 32) ** 1.5 / 10))
    picture = np.stack([rings] * 3, axis=2)
    write_video(tmp_path / "a.mp4", [picture] * 2, crf="1")
    video = open_videos(tmp_path)
    own_size = video.read(0, [0])[:, 0].permute(1, 2, 0).numpy()
    for size in ((24, 36), (30, 30), (50, 60), (100, 100)):
        by_decord = video.read(0, [0], size)[:, 0].permute(1, 2, 0).numpy()
        difference = scaled_and_cut(own_size, size).astype(int) - by_decord
        assert abs(difference.mean()) < 2.5  # the conversion to RGB
        assert np.abs(difference - difference.mean()).mean() < 1.2  # PIL's other filters: 3 to 17


def test_scaling_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert abs(scaled_and_cut(stripes, (16, 16)).astype(int) - 127)[:, 2:-2].max() <= 2
