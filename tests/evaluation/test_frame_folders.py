import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.index_cache import cache_file
from evaluation import frame_folders
from evaluation.frame_folders import FrameFolders
from video_io.pictures import natural


def save(path: Path, pixels: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8) if pixels is None else pixels).save(path)


def test_frames_are_in_natural_order() -> None:
    names = ["f10.png", "f2.png", "f1.png", "a.png", "f02.png", "f2b.png"]
    assert sorted(names, key=natural) == ["a.png", "f1.png", "f02.png", "f2.png", "f2b.png", "f10.png"]


def test_every_pixel_is_read(frame_folder: Path, pixels: dict[str, np.ndarray]) -> None:
    source = FrameFolders(frame_folder)
    assert source.names == tuple(pixels)
    for index, frames in enumerate(pixels.values()):
        read = source.read(index, range(len(frames))).permute(1, 2, 3, 0).numpy()
        assert np.array_equal(read, frames)


def test_an_unchanged_folder_is_not_opened_again(frame_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = FrameFolders(frame_folder).fingerprint
    opened: list[list[str]] = []
    measure = frame_folders._measure_video
    monkeypatch.setattr(
        frame_folders, "_measure_video", lambda root, paths: (opened.append(paths), measure(root, paths))[1]
    )
    assert FrameFolders(frame_folder).fingerprint == first
    assert not opened
    changed = frame_folder / "bow/1/frame_3.png"
    save(changed, np.full((64, 64, 3), 7, np.uint8))
    os.utime(changed, ns=(1, 1))
    assert FrameFolders(frame_folder).fingerprint != first
    assert [Path(paths[0]).parent.as_posix() for paths in opened] == ["bow/1"]
    (frame_folder / "bow/1/frame_15.png").unlink()
    assert FrameFolders(frame_folder).lengths == (20, 15, 24, 10)
    assert len(opened) == 2
    cache_file(frame_folder, "frames").write_text('{"format": 1, "rows": {"bow/0": {}}}')
    assert len(FrameFolders(frame_folder)) == 4
    assert len(opened) == 6


def test_videos_without_classes_and_pictures_in_the_root(tmp_path: Path) -> None:
    save(tmp_path / "root/b/1.jpg")
    save(tmp_path / "root/a/1.JPEG")
    source = FrameFolders(tmp_path / "root")
    assert (source.names, source.class_names) == (("a", "b"), ("root",))
    one = FrameFolders(tmp_path / "root/b")
    assert (one.names, one.class_names, one.lengths) == (("b",), ("b",), (1,))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA"])
def test_every_picture_is_read_as_rgb(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(np.full((8, 8), 255, np.uint8)).convert(mode)
    grey.save(tmp_path / "1.png")
    clip = FrameFolders(tmp_path).read(0, [0])
    assert clip.shape == (3, 1, 8, 8)
    assert (clip == 255).all()


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    def root(name: str) -> Path:
        return tmp_path / name

    save(root("mixed") / "video/1.png")
    save(root("mixed") / "video/2.png", np.zeros((8, 16, 3), np.uint8))
    save(root("beside") / "1.png")
    save(root("beside") / "video/1.png")
    save(root("classes") / "a/1.png")
    save(root("classes") / "wave/b/1.png")
    save(root("broken") / "video/1.png")
    (root("broken") / "video/2.png").write_text("no picture")
    save(root("truncated") / "video/1.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    whole = (root("truncated") / "video/1.png").read_bytes()
    (root("truncated") / "video/1.png").write_bytes(whole[:5000])
    save(root("deep") / "video/1.png", np.zeros((8, 8), np.uint16))
    root("empty").mkdir()
    for name, expected in (
        ("mixed", "the frames of a video must be of one size; video/1.png is 8x8, video/2.png is 16x8"),
        ("beside", "pictures lie beside folders of pictures in .; each video needs a folder of its own"),
        ("classes", "videos lie beside the class folders"),
        ("broken", "2.png: cannot decode this picture"),
        ("truncated", "1.png: cannot decode this picture"),
        ("deep", "1.png: has pixels of kind I;16; convert it to 8 bits a channel"),
        ("empty", "no picture in this folder"),
    ):
        with pytest.raises(ValueError, match=expected) as raised:
            FrameFolders(root(name))
        assert "\n" not in str(raised.value)


def test_several_broken_videos_are_counted(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / name / "1.png")
        (tmp_path / name / "2.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"a/2.png: cannot .* \(and 2 more videos cannot be read\)"):
        FrameFolders(tmp_path)
