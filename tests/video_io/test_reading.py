import struct
from pathlib import Path

import av
import decord
import numpy as np
import pytest
import torch

from tests.numbered_videos import board, read_clip_numbers, write_numbered, write_video
from video_io.cropping import scaled_size
from video_io.reading import (
    UnreadableVideoError,
    VideoProperties,
    frames_in_order,
    is_video,
    probe,
    read_clip,
    seeks_exactly,
)

ANY = VideoProperties(num_frames=120, width=64, height=64, fps=25.0, exact_seek=True)
HEVC_QUIET = {"x265-params": "log-level=none:keyint=40:pools=1"}
# file name, codec, options: whether decord finds the frames after a seek is known for these
EXACT = [
    ("a.mp4", "libx264", {}),
    ("a.MP4", "libx264", {"g": "30"}),
    ("a.mkv", "libx264", {"bf": "0"}),
    ("a.avi", "mpeg4", {}),
    ("a.Avi", "mjpeg", {"pixel_format": "yuvj420p"}),
    ("a.mov", "libx264", {}),
    ("a.webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
]
NOT_EXACT = [
    ("xvid_b_frames.avi", "mpeg4", {"bf": "2", "g": "30"}),
    ("h264.avi", "libx264", {"g": "30"}),
    ("open_groups.mp4", "libx264", {"x264-params": "open-gop=1:keyint=30"}),
    ("hevc.mkv", "libx265", HEVC_QUIET),
]


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    return write_numbered(tmp_path_factory.mktemp("numbered") / "a.mp4", num_frames=12)


@pytest.mark.parametrize(("name", "codec", "options"), EXACT + NOT_EXACT)
def test_frames_are_the_ones_asked_for(tmp_path, name, codec, options):
    path = write_numbered(tmp_path / name, num_frames=120, codec=codec, **options)
    properties = probe(path)
    assert (properties.num_frames, properties.width, properties.height, properties.fps) == (120, 64, 64, 25)
    assert is_video(path)
    for start, stride in ((0, 1), (1, 1), (41, 1), (73, 3), (104, 1), (119, 1)):
        indices = range(start, min(start + 16 * stride, 120), stride)
        clip = read_clip(path, indices, 64, properties)
        assert read_clip_numbers(clip).frames == list(indices)


@pytest.mark.parametrize(("name", "codec", "options"), NOT_EXACT)
def test_wrong_seeks_are_noticed(tmp_path, name, codec, options):
    path = write_numbered(tmp_path / name, num_frames=120, codec=codec, **options)
    assert not seeks_exactly(path)
    key_frame = decord.VideoReader(str(path), num_threads=1).get_key_indices()[1]
    indices = list(range(key_frame + 1, key_frame + 9))
    # decord has become right if this fails: then `seeks_exactly` is not needed any more
    assert read_clip_numbers(read_clip(path, indices, 64, ANY)).frames != indices
    assert read_clip_numbers(read_clip(path, indices, 64)).frames == indices


@pytest.mark.parametrize(("name", "codec", "options"), EXACT)
def test_right_seeks_are_used(tmp_path, name, codec, options):
    path = write_numbered(tmp_path / name, num_frames=120, codec=codec, **options)
    assert seeks_exactly(path) is (path.suffix.lower() != ".avi")


def test_default_mp4_has_b_frames_and_seeks_exactly(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", num_frames=400)
    with av.open(str(path)) as file:
        kinds = {av.video.frame.PictureType(frame.pict_type).name for frame in file.decode(video=0)}
    assert "B" in kinds
    assert seeks_exactly(path)
    assert read_clip_numbers(read_clip(path, range(330, 390, 4), 64)).frames == list(range(330, 390, 4))


def test_clip_is_uint8_channels_first(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    clip = read_clip(write_video(tmp_path / "a.mp4", [red] * 5), [0, 2, 4], 32)
    assert clip.dtype == torch.uint8 and clip.shape == (3, 3, 32, 32) and clip.is_contiguous()
    assert clip[0].min() > 245 and clip[1:].max() < 10


@pytest.mark.parametrize(("width", "height"), [(320, 240), (240, 320), (322, 242), (32, 32), (640, 64)])
@pytest.mark.parametrize("size", [64, 57, 48])
def test_a_circle_stays_a_circle_in_the_middle(tmp_path, width, height, size):
    y, x = np.mgrid[:height, :width] + 0.5
    radius = min(width, height) / 4
    disc = 255 * ((y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2)
    picture = np.repeat(disc[..., None], 3, axis=2).astype(np.uint8)
    clip = read_clip(write_video(tmp_path / "a.mp4", [picture] * 3), [1], size)
    inside = clip[0, 0] > 127
    columns, rows = inside.any(0).nonzero().flatten(), inside.any(1).nonzero().flatten()
    for places in (columns, rows):
        assert len(places) == pytest.approx(size / 2, abs=1.5)
        assert (places[0] + places[-1] + 1) / 2 == pytest.approx(size / 2, abs=1)
    assert inside.float().mean() == pytest.approx(np.pi / 16, rel=0.06)


@pytest.mark.parametrize(("width", "height"), [(160, 96), (96, 160)])
def test_wide_and_tall_videos_keep_their_middle(tmp_path, width, height):
    path = write_numbered(tmp_path / "a.mp4", num_frames=20, width=width, height=height)
    assert read_clip_numbers(read_clip(path, range(3, 19), 64)).frames == list(range(3, 19))


@pytest.mark.parametrize(
    ("source", "crop", "scaled"),
    [
        ((320, 240), (64, 64), (85, 64)),
        ((240, 320), (64, 64), (64, 85)),
        ((64, 64), (64, 64), (64, 64)),
        ((7, 5), (10, 10), (14, 10)),
        ((320, 240), (60, 120), (120, 90)),
        ((320, 240), (120, 60), (160, 120)),
        ((320, 240), (240, 320), (320, 240)),
    ],
)
def test_scaled_size(source, crop, scaled):
    assert scaled_size(source, crop) == scaled


def test_a_clip_that_is_not_square(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", num_frames=8, width=64, height=64)
    whole = read_clip(path, range(8), 64)
    assert torch.equal(read_clip(path, range(8), (48, 64)), whole[:, :, 8:56])
    assert torch.equal(read_clip(path, range(8), (64, 40)), whole[:, :, :, 12:52])


@pytest.mark.parametrize(("width", "height"), [(64, 48), (96, 64), (48, 64), (16, 16), (8, 12)])
def test_a_clip_of_the_video_s_own_size(tmp_path, width, height):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    picture[: height // 2] = 200
    pictures = [np.roll(picture, step, axis=0) for step in range(5)]
    path = write_video(tmp_path / "a.mp4", pictures, codec="libx264rgb", pixel_format="rgb24", crf="0")
    clip = read_clip(path, [1, 4], None)
    expected = torch.from_numpy(np.stack([pictures[1], pictures[4]])).permute(3, 0, 1, 2)
    assert torch.equal(clip, expected)


@pytest.mark.parametrize("size", [*range(4, 81), 96, 112, 120, 128, 144, 192, 224, 256])
def test_every_size_can_be_read(numbered, size):
    """decord fails for a few widths, and the aspect of a video makes any width out of an ordinary size."""
    clip = read_clip(numbered, [5, 9], size, ANY)
    assert clip.shape == (3, 2, size, size)
    if size >= 12:
        assert read_clip_numbers(clip).frames == [5, 9]
    enlarged = torch.nn.functional.interpolate(clip.transpose(0, 1).float(), size=(64, 64), mode="area")
    whole = read_clip(numbered, [5, 9], 64, ANY).transpose(0, 1).float()
    assert (enlarged.mean((2, 3)) - whole.mean((2, 3))).abs().max() < 3


@pytest.mark.parametrize("width", [16, 24, 48, 72])
def test_videos_of_the_widths_that_decord_fails_for(tmp_path, width):
    path = write_numbered(tmp_path / "a.mp4", num_frames=20, width=width, height=width)
    assert probe(path) == (20, width, width, 25, True)
    assert read_clip_numbers(read_clip(path, range(3, 19), width)).frames == list(range(3, 19))


def test_rotation_is_applied_before_scaling(tmp_path):
    """A phone's tall video is stored wide with a matrix in the header that says "turn by 90 degrees"."""
    pictures = [np.rot90(board(0, frame, 96, 160)).copy() for frame in range(20)]  # stored 160 wide, 96 high
    path = write_video(tmp_path / "a.mp4", pictures)
    content = path.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 96 << 16, 0, 1 << 30)
    track = content.index(b"tkhd")
    assert content[track:].count(upright) == 1
    path.write_bytes(content[:track] + content[track:].replace(upright, turned))
    assert probe(path)[:3] == (20, 96, 160)
    assert read_clip_numbers(read_clip(path, range(3, 19), 64)).frames == list(range(3, 19))


def assert_one_line(error: pytest.ExceptionInfo, path: Path) -> None:
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "folder"])
def test_unreadable_file_is_named_in_one_line(tmp_path, kind):
    path = tmp_path / "a.mp4"
    if kind == "folder":
        path.mkdir()
    elif kind == "truncated":
        write_numbered(path)
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        path.write_text("no video" if kind == "text" else "")
    for read in (probe, lambda path: read_clip(path, [0], 64, ANY)):
        with pytest.raises(UnreadableVideoError, match="cannot decode") as error:
            read(path)
        assert_one_line(error, path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such video") as error:
        probe(tmp_path / "a.mp4")
    assert_one_line(error, tmp_path / "a.mp4")


@pytest.mark.parametrize("indices", [[38, 39, 40], [-1], []])
@pytest.mark.parametrize("exact_seek", [True, False])
def test_frames_outside_the_video(tmp_path, indices, exact_seek):
    path = write_numbered(tmp_path / "a.mp4", num_frames=40)
    with pytest.raises(ValueError, match="frames 0 to 39") as error:
        read_clip(path, indices, 64, ANY._replace(exact_seek=exact_seek))
    assert_one_line(error, path)


def test_real_videos():
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "weizmann_actions"
    if not folder.exists():
        pytest.skip("the Weizmann actions are not there")
    for path in sorted(folder.glob("*/*.mp4"))[::18]:
        properties = probe(path)
        assert properties[1:] == (64, 64, 25, True) and 51 <= properties.num_frames <= 146
        with av.open(str(path)) as file:
            truth = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
        start = properties.num_frames // 2
        clip = read_clip(path, range(start, start + 16), 64)
        np.testing.assert_allclose(clip.permute(1, 2, 3, 0).numpy(), truth[start : start + 16], atol=2)


@pytest.mark.parametrize(("name", "codec", "options"), [EXACT[0], NOT_EXACT[0], NOT_EXACT[2]])
@pytest.mark.parametrize("size", [(64, 64), (24, 16), (47, 81)])
def test_frames_in_order_are_those_of_a_clip(tmp_path, name, codec, options, size):
    path = write_numbered(tmp_path / name, num_frames=40, width=96, codec=codec, **options)
    frames = list(frames_in_order(path, size))
    assert np.allclose([frame.seconds for frame in frames], np.arange(40) / 25)
    pixels = np.stack([frame.pixels for frame in frames])
    assert pixels.shape == (40, *size, 3)
    assert np.array_equal(pixels, read_clip(path, range(40), size).permute(1, 2, 3, 0).numpy())


def test_frames_in_order_of_what_is_no_video(tmp_path):
    with pytest.raises(FileNotFoundError):
        next(frames_in_order(tmp_path / "none.mp4", (8, 8)))
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(UnreadableVideoError, match="cannot decode"):
        next(frames_in_order(tmp_path / "a.mp4", (8, 8)))
