import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from datamodules import video_index
from datamodules.index_cache import cache_file
from datamodules.video_index import index_videos, long_enough, name_a_few
from tests.numbered_videos import write_numbered
from video_io.reading import VideoProperties


@pytest.fixture
def root(numbered_folder, tmp_path):
    return shutil.copytree(numbered_folder, tmp_path / "videos")


@pytest.fixture
def opened(monkeypatch):
    """The names of the videos that are opened from now on."""
    names = []
    open_video = video_index._open_video

    def record(path):
        names.append(path.name)
        return open_video(path)

    monkeypatch.setattr(video_index, "_open_video", record)
    return names


def test_what_a_row_says(root):
    index = index_videos(root)
    assert index.class_names == ("bow", "jump", "wave")
    assert [video.path for video in index.videos] == sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*.mp4")
    )
    video = next(video for video in index.videos if video.path == "jump/person1_4.mp4")
    assert video.label == 1
    assert video.properties == VideoProperties(num_frames=33, width=64, height=64, fps=25.0, exact_seek=True)
    assert video.sha256 == hashlib.sha256((root / "jump/person1_4.mp4").read_bytes()).hexdigest()


def test_labels_are_the_first_folder_at_any_depth(root):
    (root / "bow/deep/er").mkdir(parents=True)
    (root / "wave/person0_6.mp4").rename(root / "bow/deep/er/x.MOV")
    labels = {video.path: video.label for video in index_videos(root).videos}
    assert labels["bow/deep/er/x.MOV"] == 0 and labels["jump/person0_3.mp4"] == 1 and labels["wave/person1_7.mp4"] == 2


def test_a_folder_without_classes_is_one_class(root):
    index = index_videos(root / "jump")
    assert index.class_names == ("jump",) and [video.label for video in index.videos] == [0, 0, 0]


def test_hidden_and_other_files_are_left_out(root):
    (root / "bow/._person0_0.mp4").write_bytes(b"what macOS leaves behind")
    (root / ".trash").mkdir()
    (root / ".trash/old.mp4").write_bytes(b"")
    (root / "README.txt").write_text("about")
    assert len(index_videos(root).videos) == 9


def test_links_to_folders_are_followed_but_not_in_a_circle(root, tmp_path):
    shutil.move(root / "wave", tmp_path / "elsewhere")
    (root / "wave").symlink_to(tmp_path / "elsewhere")
    (root / "bow/again").symlink_to(root)
    index = index_videos(root)
    assert len(index.videos) == 9 and index.class_names == ("bow", "jump", "wave")


def test_the_second_start_opens_nothing(root, opened):
    first = index_videos(root)
    assert len(opened) == 9
    assert index_videos(root) == first and len(opened) == 9


def test_only_new_and_changed_files_are_opened(root, opened):
    index_videos(root)
    opened.clear()
    write_numbered(root / "bow/new.mp4", 9, 25)
    write_numbered(root / "jump/person0_3.mp4", 3, 50)
    (root / "wave/person2_8.mp4").unlink()
    videos = {video.path: video for video in index_videos(root).videos}
    assert sorted(opened) == ["new.mp4", "person0_3.mp4"]
    assert videos["jump/person0_3.mp4"].num_frames == 50 and "wave/person2_8.mp4" not in videos
    assert "wave/person2_8.mp4" not in json.loads(cache_file(root).read_text())["rows"]


def test_same_size_other_time_is_opened_again(root, opened):
    index_videos(root)
    opened.clear()
    os.utime(root / "bow/person0_0.mp4", ns=(0, 0))
    index_videos(root)
    assert opened == ["person0_0.mp4"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[1, 2]",
        lambda text: text.replace('"format": 2', '"format": 0'),
        lambda text: text.replace("num_frames", "num"),
        lambda text: text.replace("sha256", "md5"),
        lambda text: text.replace("stamp", "time"),
    ],
)
def test_a_damaged_cache_is_made_again(root, opened, damage):
    first = index_videos(root)
    cache_file(root).write_text(damage(cache_file(root).read_text()))
    opened.clear()
    assert index_videos(root) == first and len(opened) == 9
    assert index_videos(root) == first and len(opened) == 9


def test_a_cache_of_bytes_that_are_no_text(root):
    first = index_videos(root)
    cache_file(root).write_bytes(b"\xff\xfe\x80")
    assert index_videos(root) == first


def test_each_folder_has_its_own_cache(root, tmp_path, cache_folder):
    index_videos(root)
    index_videos(shutil.copytree(root / "bow", tmp_path / "other"))
    assert len(list((cache_folder / "index").iterdir())) == 2


def test_many_at_once_agree_and_leave_one_file(root, cache_folder):
    with ThreadPoolExecutor(8) as pool:
        indices = list(pool.map(index_videos, [root] * 8))
    assert all(index == indices[0] for index in indices)
    assert list((cache_folder / "index").iterdir()) == [cache_file(root)]
    assert len(json.loads(cache_file(root).read_text())["rows"]) == 9


def test_others_may_read_the_cache(root, cache_folder):
    index_videos(root)
    assert cache_file(root).stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_kept_leaves_nothing(root, cache_folder):
    cache_file(root).mkdir(parents=True)  # where the file should go
    with pytest.warns(UserWarning, match="is not kept"):
        assert len(index_videos(root).videos) == 9
    assert list((cache_folder / "index").iterdir()) == [cache_file(root)]


def test_without_a_cache_it_works_and_warns(root, cache_folder):
    cache_folder.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="is not kept"):
        assert len(index_videos(root).videos) == 9


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda root: root / "no", FileNotFoundError, "no such folder; root must name the folder"),
        (lambda root: root / "bow/person0_0.mp4", ValueError, "is a file; root must name the folder"),
        (
            lambda root: (root / "empty").mkdir() or root / "empty",
            ValueError,
            "looked for .avi, .gif, .m4v, .mkv, .mov, .mp4, .mpeg, .mpg, .webm, .wmv",
        ),
        (
            lambda root: shutil.copy(root / "bow/person0_0.mp4", root / "a.mp4") and root,
            ValueError,
            "1 of 10 videos lie be",
        ),
    ],
)
def test_mistakes_with_the_folder(root, make, kind, message):
    with pytest.raises(kind) as error:
        index_videos(make(root))
    assert message in str(error.value) and str(root) in str(error.value) and "\n" not in str(error.value)


def test_undecodable_videos_are_named_and_the_others_remembered(root, opened):
    for number in range(5):
        (root / f"bow/bad{number}.mp4").write_text("no video")
    with pytest.raises(ValueError) as error:
        index_videos(root)
    assert "cannot decode 5 of 14 videos: bow/bad0.mp4, bow/bad1.mp4, bow/bad2.mp4 and 2 more;" in str(error.value)
    assert "\n" not in str(error.value)
    for number in range(5):
        (root / f"bow/bad{number}.mp4").unlink()
    opened.clear()
    assert len(index_videos(root).videos) == 9 and opened == []


def test_short_videos(root):
    videos = index_videos(root).videos
    used = np.ones(9, bool)
    assert long_enough(videos, used, 24, skip_short_videos=False).all()
    with pytest.raises(ValueError) as error:
        long_enough(videos, used, 26, skip_short_videos=False)
    assert "3 of 9 videos are shorter than a clip, which spans 26 frames: bow/person0_0.mp4 (24 frames)" in str(
        error.value
    )
    assert "\n" not in str(error.value)
    with pytest.warns(UserWarning, match=r"3 of 9 videos .* left out: bow/person0_0.mp4 \(24 frames\)"):
        long = long_enough(videos, used, 26, skip_short_videos=True)
    assert long.tolist() == [video.num_frames >= 26 for video in videos] and long.sum() == 6
    with pytest.raises(ValueError, match=r"every video is shorter .* and 6 more"):
        long_enough(videos, used, 100, skip_short_videos=True)
    assert np.array_equal(long_enough(videos, long, 26, skip_short_videos=False), long)  # who is not used may be short


def test_name_a_few():
    assert name_a_few(["a"]) == "a"
    assert name_a_few(list("abc")) == "a, b, c"
    assert name_a_few(list("abcde")) == name_a_few(list("abc"), 5) == "a, b, c and 2 more"
