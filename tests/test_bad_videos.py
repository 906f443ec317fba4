"""A run whose videos change under it, as a user sees it."""

import csv
import json
from pathlib import Path

import pytest
import torch

from datamodules.data_ledger import LEDGER
from datamodules.index_cache import cache_file, stamp_of
from datamodules.video_index import index_videos
from tests.test_train import train
from video_io.writing import write_video

QUICK = ["--trainer.logger", "false", "--samples.every_n_steps", "null", "--metrics.every_n_steps", "null"]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Eight videos, of which the index knows nothing bad, and the third is damaged."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(8):
        write_video(folder / f"{number}.mp4", torch.randint(0, 255, (3, 12, 32, 32), dtype=torch.uint8), fps=25)
    index_videos(folder)
    damaged = folder / "2.mp4"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    damaged.write_bytes(content)
    kept = json.loads(cache_file(folder).read_text())  # as if it were damaged after the next look at it
    kept["rows"]["2.mp4"]["stamp"] = stamp_of(damaged)
    cache_file(folder).write_text(json.dumps(kept))
    return folder


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_bad_video_is_named_once_and_training_goes_on(tmp_path: Path, videos: Path, workers: str) -> None:
    settings = (*QUICK, "--data.max_bad_share", "0.2", "--data.num_workers", workers, "--data.keep_decoded", "false")
    finished, (run,) = train(tmp_path, videos, *settings, "--trainer.max_steps", "6")
    assert finished.returncode == 0, finished.stderr
    reason = "has another content than when it was indexed"
    assert finished.stderr.count("2.mp4") == 1
    assert f"data: 2.mp4 is set aside and replaced by other videos: {reason}" in finished.stderr
    (line,) = (run / LEDGER).read_text().splitlines()
    assert (json.loads(line)["path"], json.loads(line)["reason"]) == ("2.mp4", reason)
    with (run / "metrics.csv").open() as file:
        assert [float(row["data/bad_files"]) for row in csv.DictReader(file)][-1] == 1


def test_too_many_end_the_run_in_a_line(tmp_path: Path, videos: Path) -> None:
    finished, (run,) = train(tmp_path, videos, *QUICK, "--trainer.max_steps", "6")
    assert finished.returncode == 2
    said = finished.stderr.strip().splitlines()[-1]
    assert said.startswith("train.py: data: 1 of 8 videos cannot be used, more than the share max_bad_share=0.05")
    assert "2.mp4 (has another content" in said and str(run / LEDGER) in said
    assert "Traceback" not in finished.stderr
