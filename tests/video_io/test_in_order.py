import av
import numpy as np
import pytest

from tests.numbered_videos import read_clip_numbers, write_numbered, write_video
from video_io.in_order import decode_in_order, measure
from video_io.reading import VIDEO_EXTENSIONS, UnreadableVideoError, probe, read_clip

# file name, codec, options: decord cannot open the first two, and finds wrong frames in the others
NOT_FOR_DECORD = [
    ("a.gif", "gif", {"pixel_format": "rgb8"}),
    ("av1.mp4", "libsvtav1", {"preset": "8", "crf": "20", "svtav1-params": "lp=1:keyint=30"}),
    ("program_stream.mpg", "mpeg2video", {"bf": "2", "g": "12"}),
    ("a.wmv", "wmv2", {"g": "12"}),
    ("xvid_b_frames.avi", "mpeg4", {"bf": "2", "g": "30"}),
]


def noise(num_frames: int, width: int, height: int) -> list[np.ndarray]:
    """Coarse noise that moves: every pixel of every frame counts."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    return [np.roll(np.kron(coarse, np.ones((8, 8, 1), np.uint8)), 3 * frame, axis=1) for frame in range(num_frames)]


@pytest.mark.parametrize(("name", "codec", "options"), NOT_FOR_DECORD)
def test_files_that_decord_cannot_read(tmp_path, name, codec, options):
    path = write_numbered(tmp_path / name, num_frames=70, codec=codec, **options)
    properties = probe(path)
    assert properties == (70, 64, 64, pytest.approx(25, rel=0.01), False)
    assert path.suffix in VIDEO_EXTENSIONS
    for start, stride in ((0, 1), (41, 1), (13, 3), (54, 1)):
        indices = range(start, start + 16 * stride, stride)
        assert read_clip_numbers(read_clip(path, indices, 64, properties)).frames == list(indices)


@pytest.mark.parametrize("size", [64, 57, 48, 16, None])
@pytest.mark.parametrize(
    "codec",
    [("libx264", {}), ("libx264", {"pixel_format": "yuv444p"}), ("mjpeg", {"pixel_format": "yuvj420p"}), ("mpeg4", {})],
)
def test_both_readers_give_the_same_pixels(tmp_path, size, codec):
    path = write_video(tmp_path / "a.mp4", noise(12, 160, 120), codec=codec[0], **codec[1])
    properties = probe(path)
    assert properties.exact_seek
    with_decord = read_clip(path, [2, 5, 11], size, properties)
    assert with_decord.equal(read_clip(path, [2, 5, 11], size, properties._replace(exact_seek=False)))


def test_a_turned_video_is_turned_the_same_way_by_both(tmp_path):
    for degrees in (90, 180, 270):
        path = tmp_path / f"{degrees}.mp4"
        with (
            av.open(str(write_video(tmp_path / "a.mp4", noise(5, 160, 96)))) as source,
            av.open(str(path), "w") as file,
        ):
            stream = file.add_stream_from_template(source.streams.video[0])
            stream.set_display_rotation(degrees)
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    file.mux(packet)
        properties = probe(path)
        assert properties.exact_seek and properties[:3] == measure(path)[:3]
        with_decord = read_clip(path, [1, 3], 48, properties)
        assert with_decord.equal(read_clip(path, [1, 3], 48, properties._replace(exact_seek=False)))
        assert not with_decord.equal(read_clip(tmp_path / "a.mp4", [1, 3], 48))


def test_frames_come_in_the_order_of_display(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", num_frames=60)  # with B-frames, which are stored in another order
    frames = decode_in_order(path, range(60), (-1, -1))
    assert read_clip_numbers(read_clip(path, range(60), None)).frames == list(range(60))
    assert frames.shape == (60, 64, 64, 3) and frames.dtype == np.uint8
    assert measure(path) == (60, 64, 64, 25.0)


def test_sound_without_a_picture(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(UnreadableVideoError, match="cannot decode") as error:
        probe(path)
    assert "\n" not in str(error.value)
