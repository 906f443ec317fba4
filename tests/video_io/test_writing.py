import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
import torch

from video_io.writing import write_video


def moving_blob(num_frames: int = 30, height: int = 48, width: int = 64) -> torch.Tensor:
    """A soft coloured blob that moves right: (3, T, H, W) uint8."""
    t, y, x = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float32) for n in (num_frames, height, width)), indexing="ij"
    )
    blob = torch.exp(-((x - 10 - t) ** 2 + (y - height / 2) ** 2) / 200)
    return (torch.stack([blob, 1 - blob, 0.5 * blob + 0.2]) * 255).byte()


def decode(path) -> torch.Tensor:
    """(3, T, H, W) uint8."""
    with av.open(str(path)) as container:
        frames = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return torch.stack(frames).permute(3, 0, 1, 2)


@pytest.mark.parametrize(("crf", "worst"), [(18, 1.5), (0, 0.5)])
def test_comes_back_close_to_the_original(tmp_path, crf, worst):
    video = moving_blob()[:1].expand(3, -1, -1, -1)  # grey: colour is kept at half the resolution only
    write_video(tmp_path / "blob.mp4", video, fps=25, crf=crf)
    error = (decode(tmp_path / "blob.mp4").float() - video.float()).abs().mean()
    assert error < worst


def test_plain_colours_come_back(tmp_path):
    colours = torch.tensor([[210, 36, 40], [22, 92, 52], [40, 66, 176], [250, 250, 246]], dtype=torch.uint8)
    video = colours.T.reshape(3, 1, 1, 4).repeat_interleave(16, dim=3).expand(3, 4, 16, 64)
    write_video(tmp_path / "colours.mp4", video, fps=25)
    middle = decode(tmp_path / "colours.mp4")[:, 0, 8, 8::16].T
    assert (middle.int() - colours.int()).abs().max() <= 4


def test_stream_is_what_browsers_play(tmp_path):
    write_video(tmp_path / "blob.mp4", moving_blob(), fps=12.5)
    with av.open(str(tmp_path / "blob.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.frames, float(stream.average_rate)) == (30, 12.5)
        assert [packet.is_keyframe for packet in container.demux(stream) if packet.size].count(True) == 1


def test_index_comes_before_the_frames(tmp_path):
    write_video(tmp_path / "blob.mp4", moving_blob(), fps=25)
    content = (tmp_path / "blob.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_odd_sizes_repeat_the_last_row_and_column(tmp_path):
    video = torch.full((3, 3, 33, 47), 30, dtype=torch.uint8)
    video[:, :, 28:] = 220
    write_video(tmp_path / "odd.mp4", video, fps=25, crf=0)
    decoded = decode(tmp_path / "odd.mp4")
    assert decoded.shape == (3, 3, 34, 48)
    assert (decoded[:, :, 33].int() - 220).abs().max() <= 3
    assert (decoded[:, :, :26, 47].int() - 30).abs().max() <= 3


def test_larger_crf_is_smaller(tmp_path):
    noise = torch.randint(0, 256, (3, 10, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for crf in (10, 40):
        write_video(tmp_path / f"{crf}.mp4", noise, fps=25, crf=crf)
    assert (tmp_path / "40.mp4").stat().st_size < (tmp_path / "10.mp4").stat().st_size / 2


def test_same_video_gives_same_bytes_and_replaces(tmp_path):
    path = tmp_path / "blob.mp4"
    path.write_text("old")
    write_video(path, moving_blob(), fps=25, reproducible=True)
    first = path.read_bytes()
    for _ in range(5):
        write_video(path, moving_blob(), fps=25, reproducible=True)
        assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["blob.mp4"]


def test_interrupted_writing_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "blob.mp4"
    path.write_text("old")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("video_io.writing.av.VideoFrame", type("Frame", (), {"from_ndarray": interrupt}))
    with pytest.raises(KeyboardInterrupt):
        write_video(path, moving_blob(), fps=25)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["blob.mp4"]


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (torch.zeros(3, 2, 8, 8), r"must be uint8, not torch\.float32; see float_to_uint8"),
        (torch.zeros(2, 8, 8, 3).byte(), r"must be \(3, T, H, W\)"),
        (torch.zeros(3, 8, 8).byte(), r"must be \(3, T, H, W\)"),
        (torch.zeros(3, 0, 8, 8).byte(), r"nothing empty, not \(3, 0, 8, 8\)"),
    ],
)
def test_other_tensors_are_refused(tmp_path, video, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "video.mp4", video, fps=25)
    assert list(tmp_path.iterdir()) == []


def test_other_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"let the name end in \.mp4"):
        write_video(tmp_path / "video.gif", moving_blob(2), fps=25)
    with pytest.raises(ValueError, match="fps must be above 0, not 0"):
        write_video(tmp_path / "video.mp4", moving_blob(2), fps=0)
    with pytest.raises(ValueError, match="crf must be from 0 to 51, not 52"):
        write_video(tmp_path / "video.mp4", moving_blob(2), fps=25, crf=52)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing: no such folder; make it"):
        write_video(tmp_path / "missing" / "video.mp4", moving_blob(2), fps=25)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        write_video(tmp_path / "video.mp4", moving_blob(2), fps=25)


def test_vp9_is_written_by_who_reads_first(tmp_path: Path) -> None:
    """decord's FFmpeg, opened before PyAV's, would stand in for it: "Invalid argument" of avcodec_open2."""
    program = (
        "import sys, video_io.reading; from tests.numbered_videos import Path, write_numbered; "
        "write_numbered(Path(sys.argv[1]), codec='libvpx-vp9')"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.webm")], check=True)
    assert (tmp_path / "a.webm").stat().st_size > 0
