"""The benchmark of the data, on a corpus of two short videos."""

import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import data as benchmark
from benchmarks.data_bounds import NOTHING_READ, OUR_LOADER, TORCH_LOADER, measure_bounds
from benchmarks.data_corpus import Corpus, make_corpus, moving_picture
from benchmarks.data_page import AIMS, FASTEST, write_page
from benchmarks.data_readers import (
    DECORD,
    JPEG_PACK,
    JPEG_ZIP,
    OPENCV,
    OURS,
    PNG_ZIP,
    RAW_PACK,
    VIDEO_FILE_READERS,
    Reader,
    check_alike,
    readers_of,
)
from benchmarks.data_timing import loader_rate, measure_loaders, measure_single, ratio
from benchmarks.metrics_timing import machine, write_record
from datamodules.clip_dataset import ClipDataset

NUM_FRAMES, BATCH_SIZE = 4, 2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("data") / "corpus", 2, 24, 32, 1)


@pytest.fixture(scope="module")
def readers(corpus: Corpus) -> dict[str, Reader]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOGAN_CACHE", str(corpus.folder / "cache"))
        return readers_of(corpus, NUM_FRAMES, BATCH_SIZE)


@pytest.fixture(scope="module")
def some(readers: dict[str, Reader]) -> dict[str, Reader]:
    return {name: readers[name] for name in (OURS, RAW_PACK, JPEG_ZIP)}


def test_the_corpus_has_every_video_in_every_form(corpus: Corpus) -> None:
    assert [path.name for path in sorted(corpus.videos.iterdir())] == ["00000.mp4", "00001.mp4"]
    names = zipfile.ZipFile(corpus.zip("jpeg")).namelist()
    assert len(names) == 48 and names[0] == "00000/000000.jpeg" and names[-1] == "00001/000023.jpeg"
    sizes = corpus.bytes_per_frame()
    assert sizes["pack_raw"] == 3 * 32 * 32 > sizes["pack_jpeg"] > sizes["pack_h264"] > 0
    assert sizes["videos"] > 0 and sizes["png.zip"] > sizes["jpeg.zip"]


def test_the_corpus_is_made_once(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.data_corpus.write_video", None)
    assert make_corpus(corpus.folder, 2, 24, 32, 1) == corpus
    with pytest.raises(SystemExit, match=r"^data: --corpus .* holds something else"):
        make_corpus(corpus.folder, 3, 24, 32, 1)


def test_no_two_frames_are_alike() -> None:
    clip = moving_picture(0, 3)
    assert clip.shape == (3, 3, 240, 320) and clip.dtype == torch.uint8
    assert not torch.equal(clip[:, 0], clip[:, 1]) and not torch.equal(moving_picture(1, 1)[:, 0], clip[:, 0])
    assert torch.equal(moving_picture(0, 1)[:, 0], clip[:, 0])


def test_all_read_the_same_frames(readers: dict[str, Reader]) -> None:
    distances = check_alike(readers, 3)
    assert distances[RAW_PACK] == distances[OURS] == distances[PNG_ZIP] == 0
    assert {name for name, distance in distances.items() if not 0 < distance < 12} == {RAW_PACK, OURS, PNG_ZIP}


def test_a_reader_of_other_frames_is_found(readers: dict[str, Reader]) -> None:
    raw = readers[RAW_PACK].dataset

    def one_late(number: int, frames: range) -> torch.Tensor:
        last = int(raw.videos.num_frames[number]) - 1
        return raw.read(number, [min(frame + 1, last) for frame in frames])  # type: ignore[arg-type]

    late = ClipDataset(raw.videos, raw.choose, NUM_FRAMES, one_late)
    with pytest.raises(SystemExit, match="data: late reads other frames than"):
        check_alike({RAW_PACK: readers[RAW_PACK], "late": Reader(late, readers[RAW_PACK].batches, "")}, 4)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_all_loaders_give_the_same_clips(readers: dict[str, Reader], num_workers: int) -> None:
    """Ours from files and from the pack, and torch's loader, whose zip of PNGs loses nothing, either."""
    batches = {name: list(islice(readers[name].batches(num_workers, 5), 3)) for name in (OURS, RAW_PACK, PNG_ZIP)}
    assert batches[OURS][0]["position"].tolist() == [10, 11]
    for name in (RAW_PACK, PNG_ZIP):
        for one, other in zip(batches[OURS], batches[name], strict=True):
            assert all(torch.equal(one[key], other[key]) for key in ("clip", "label", "position"))


def test_readers_take_turns(some: dict[str, Reader]) -> None:
    lines: list[str] = []
    single = measure_single(some, 2, 0.01, lines.append)
    assert [line.partition(":")[0] for line in lines] == [
        f"turn {turn} of 2, {name}" for turn in (1, 2) for name in some
    ]
    assert all(len(rates) == 2 and min(rates) > 0 for rates in single.values())
    loaders = measure_loaders({RAW_PACK: some[RAW_PACK]}, 1, 0.01, 1, BATCH_SIZE, lines.append)
    assert loaders[RAW_PACK][0] > 0


def test_a_turn_ends_with_the_worker_with_which_it_began() -> None:
    taken: list[int] = []

    def batches(num_workers: int, step: int) -> Any:
        for number in range(100):
            taken.append(number)
            yield {}

    rate = loader_rate(Reader(None, batches, ""), 0, 1e-9, 3, 16)  # type: ignore[arg-type]
    assert rate > 0 and len(taken) == 2 * 3 + 3


def test_a_ratio_is_of_neighbours() -> None:
    assert ratio([10, 40, 100], [1, 2, 4]) == 20


def test_the_bounds_are_measured(readers: dict[str, Reader]) -> None:
    record = measure_bounds(readers, 1, 0.01, 1, BATCH_SIZE, lambda line: None)
    assert record["bytes_per_clip"] == 3 * NUM_FRAMES * 32 * 32
    assert len(record["microseconds"]) == 6 and min(record["microseconds"].values()) > 0
    assert list(record["loaders"]) == [OUR_LOADER, TORCH_LOADER, NOTHING_READ]
    assert list(record["copied_gigabytes_per_second"]) == ["one process", "1 processes"]


# ---- the command and the page ----


def records(readers: dict[str, float]) -> dict[str, dict[str, Any]]:
    common = {
        "machine": machine("cpu", ("torch", "a-package-that-nobody-has")), "num_videos": 16, "frames_per_video": 200,
        "size": 64, "num_frames": 16, "batch_size": 16, "num_workers": 2, "turns": 3, "seconds": 2.0,
    }  # fmt: skip
    rates = {name: [rate, 2 * rate, 4 * rate] for name, rate in readers.items()}
    return {
        "workers": {**common, "clips_per_second": rates},
        "single": {
            **common,
            "clips_per_second": rates,
            "forms": dict.fromkeys(rates, "videos"), "bytes_per_frame": {"videos": 1048.4},
            "distances": dict.fromkeys(rates, 1.06),
        },
        "bounds": {
            **common, "bytes_per_clip": 200_000, "microseconds": {"its bytes, one read": 18.53},
            "loaders": {OUR_LOADER: [10_000.0], TORCH_LOADER: [4_000.0], NOTHING_READ: [20_000.0]},
            "copied_gigabytes_per_second": {"one process": 8.0, "2 processes": 10.0},
        },
    }  # fmt: skip


SPEEDS = {
    OURS: 35.0, **dict.fromkeys(VIDEO_FILE_READERS, 10.0), OPENCV: 36.0, DECORD: 20.0,
    RAW_PACK: 6000.0, JPEG_PACK: 700.0, JPEG_ZIP: 100.0,
}  # fmt: skip


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    for part, record in records(SPEEDS).items():
        write_record(tmp_path / f"{part}.json", record)
    assert write_page(tmp_path, tmp_path / "docs" / "page.md").endswith("workers, single, bounds")
    page = (tmp_path / "docs" / "page.md").read_text()
    for line in (
        "| **ours, video files** | 70 (35 to 140) | 1.75 | 1.00 |",
        "| OpenCV | 72 (36 to 144) | 1.80 | 1.03 |",
        "| ours, video files / decord, torch resize | at least 1.4 | 1.75 | holds |",
        f"| ours, video files / {FASTEST} (OpenCV) | at least 0.9 | 0.97 | holds |",
        "| ours, raw pack / ours, video files | at least 40 | 171.43 | holds |",
        "Ours, raw pack: 12,000 clips/s; aimed at 10,000: holds.",
        "| **ours, raw pack** | 12,000 (6,000 to 24,000) | 300.00 | 171.43 | 1,048 | 1.1 |",
        "| its bytes, one read | 18.5 |",
        "| our loader | 10,000 (10,000 to 10,000) | 2.50 |",
    ):
        assert line in page.splitlines(), line
    assert f"torch {torch.__version__}" in page and "nobody" not in page
    assert "Our loader delivers 2.00 GB/s of clips, 20 % of the fastest" in page and "60 %." in page


def test_the_page_says_what_does_not_hold_and_what_is_missing(tmp_path: Path) -> None:
    write_record(tmp_path / "workers.json", records({**SPEEDS, RAW_PACK: 120.0, OURS: 21.0})["workers"])
    write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert page.count("**does not hold**") == len(AIMS) - 1 + 1 and page.count("Not measured.") == 2
    with pytest.raises(SystemExit, match="there are no results in"):
        write_page(tmp_path / "nothing", tmp_path / "page.md")


def test_it_runs_as_a_command(corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = ["--num_videos", "2", "--frames_per_video", "24", "--size", "32", "--num_frames", "4", "--batch_size", "2"]
    small = ["--turns", "1", "--seconds", "0.01", "--num_workers", "1", "--corpus", str(corpus.folder)]
    page = tmp_path / "page.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOGAN_CACHE", "")  # is set back afterwards
        threads = torch.get_num_threads()
        assert benchmark.main(["--output", str(tmp_path), "--parts", "single", "bounds", *shape, *small]) == 0
        torch.set_num_threads(threads)
    assert {path.name for path in tmp_path.glob("*.json")} == {"single.json", "bounds.json"}
    assert benchmark.main(["--output", str(tmp_path), "--parts", "--document", str(page)]) == 0
    assert "| **ours, H.264 pack** |" in page.read_text()
    assert "min, turn 1 of 1, zip of PNG, PIL:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--turns", "0"], ["--parts", "x"], ["--frames_per_video", "9"]]
)
def test_mistakes_are_found_at_once(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        benchmark.main(arguments)
    assert error.value.code == 2
