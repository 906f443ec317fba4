"""python prepare.py, as a person calls it: a pack, its clips, mistakes in one line, and kills at random moments."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from packs.index import INDEX_FILE
from packs.reading import Pack
from prepare import main
from preparing.journal import JOURNAL_FILE
from tests.numbered_videos import read_clip_numbers, write_numbered
from video_io.reading import read_clip

ROOT = Path(__file__).parents[1]
NUM_KILLS = 10


def a_corpus(folder: Path, num_videos: int = 6) -> Path:
    for video in range(num_videos):
        write_numbered(folder / f"class{video % 2}" / f"{video:02d}.mp4", video, num_frames=30 + video, width=96)
    (folder / "class0" / "text.mp4").write_text("no video")
    (folder / "class0" / "cut.mp4").write_bytes((folder / "class0" / "00.mp4").read_bytes()[:2000])
    (folder / "class1" / "notes.txt").write_text("about the videos")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return a_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def packed(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "pack"
    assert main([str(corpus), "--output", str(folder), "--processes", "2"]) == 0
    return folder


def test_packed_clips_are_the_raw_ones(corpus, packed):
    pack = Pack(packed)
    assert len(pack) == 6 and pack.header.class_names == ("class0", "class1")
    for index in range(6):
        row = pack.row(index)
        raw = read_clip(corpus / row.path, range(3, 19), 64)
        assert np.array_equal(pack.read_clip(index, range(3, 19)), raw)
        video = int(Path(row.path).stem)
        assert read_clip_numbers(raw) == (video, list(range(3, 19)), False)
        assert row.num_frames == 30 + video and pack.header.class_names[row.label] == f"class{video % 2}"
        assert (row.width, row.height, row.fps, len(row.sha256)) == (96, 64, 25, 64)
    assert pack.damaged() == []


def test_the_report_names_every_file(packed):
    lines = (packed / "report.txt").read_text().splitlines()
    assert sum(line.startswith("taken") for line in lines) == 6
    (text,) = [line for line in lines if "class0/text.mp4" in line]
    assert text.startswith("refused") and "cannot decode" in text
    assert next(line for line in lines if "class0/cut.mp4" in line).startswith("refused")
    assert any(line.startswith("passed over") and "notes.txt" in line for line in lines)
    assert any(line.split() == ["class", "class1", "3"] for line in lines)
    with Image.open(packed / "contact_sheet.png") as sheet:
        assert sheet.size == (8 * 66, 6 * 80)
        assert len({pixel for _, pixel in sheet.convert("L").getcolors()}) > 50


def test_nothing_else_is_left(packed):
    names = {path.name for path in packed.iterdir()}
    assert names == {"shards", INDEX_FILE, "report.txt", "contact_sheet.png", ".lock"}


def test_a_finished_pack_is_finished(corpus, packed, capsys):
    before = (packed / INDEX_FILE).stat().st_mtime_ns
    assert main([str(corpus), "--output", str(packed)]) == 0
    assert (packed / INDEX_FILE).stat().st_mtime_ns == before
    assert main([str(corpus), "--output", str(packed), "--size", "32"]) == 2
    assert "finished pack of other files or settings" in capsys.readouterr().err


def test_check_says_what_is_wrong_and_writes_nothing(tmp_path, capsys):
    write_numbered(tmp_path / "good.mp4", num_frames=60)
    write_numbered(tmp_path / "open.mp4", num_frames=90, **{"x264-params": "open-gop=1:keyint=30"})
    before = sorted(tmp_path.iterdir())
    assert main([str(tmp_path), "--check", "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "open.mp4" in printed and "sequential only" in printed and "good.mp4" not in printed
    (tmp_path / "bad.mp4").write_bytes(b"")
    assert main([str(tmp_path), "--check", "--processes", "1"]) == 1
    assert "refused  bad.mp4" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "bad.mp4"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "--check"], "none: no such file or folder"),
        (["empty", "--check"], "holds no video and no picture"),
        (["empty"], "either --output PACK to pack, or --check"),
        (["empty", "--check", "--output", "x"], "either --output PACK to pack, or --check"),
        (["videos", "--output", "videos/pack"], "lies in what is to be packed"),
        (["videos", "--output", "filled"], "holds something that is no pack"),
        (["videos", "--output", "videos/a.mp4"], "lies in what is to be packed"),
        (["videos", "--check", "--processes", "0"], "processes is 0"),
        (["pictures", "--check"], "--layout frame_folders"),
        (["videos", "--check", "--layout", "moving_mnist"], "is a folder, which layout moving_mnist is not"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "videos", "filled", "pictures"):
        (tmp_path / name).mkdir()
    (tmp_path / "videos" / "a.mp4").write_text("no video")
    (tmp_path / "filled" / "thesis.tex").write_text("...")
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "a.png")
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prepare.py: ") and message in line
    assert (tmp_path / "filled" / "thesis.tex").exists() and not (tmp_path / "videos" / "pack").exists()


@pytest.mark.parametrize("frame_format", ["raw", "h264"])
def test_names_that_are_no_text_or_would_move_the_cursor(tmp_path, capsys, frame_format):
    good = write_numbered(tmp_path / "videos" / "a" / "new\nline \x1b[31m.mp4", 1, 20).read_bytes()
    (tmp_path / "videos" / "a" / os.fsdecode(b"\xff\xfe.mp4")).write_bytes(good)
    folder = tmp_path / "videos" / os.fsdecode(b"b\xff")
    folder.mkdir()
    (folder / "c.mp4").write_bytes(b"no video")
    output = tmp_path / "pack"
    options = ["--output", str(output), "--processes", "1", "--format", frame_format]
    assert main([str(tmp_path / "videos"), *options]) == 0
    printed = capsys.readouterr().out
    assert r"refused  a/\udcff\udcfe.mp4: its name is not UTF-8; rename it" in printed and "\x1b" not in printed
    report = (output / "report.txt").read_text()
    assert r"taken    a/new\nline \x1b[31m.mp4: 20 frames" in report and r"refused  b\udcff/c.mp4: its name" in report
    pack = Pack(output)
    assert len(pack) == 1 and pack.row(0).path == "a/new\nline \x1b[31m.mp4"


def test_an_interruption_while_it_is_imported_is_silent(tmp_path):
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt")
    found = subprocess.run(
        [sys.executable, "prepare.py", "x", "--check"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")


def test_nothing_to_take_is_an_error_and_no_pack(tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_text("no video")
    output = tmp_path / "pack"
    assert main([str(tmp_path / "videos"), "--output", str(output), "--processes", "1"]) == 2
    assert "no video could be taken; the first was refused" in capsys.readouterr().err
    assert not (output / INDEX_FILE).exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def killed_at_random(command: list[str], output: Path, chance: random.Random) -> bool:
    """Start a run, kill it some files after it began; whether it was still at work."""
    lines = chance.randrange(4)
    journal = output / JOURNAL_FILE
    known = journal.read_bytes().count(b"\n") if journal.exists() else 0
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= known + lines:
            time.sleep(chance.uniform(0, 0.3))
            break
        time.sleep(0.001)
    was_at_work = run.poll() is None
    run.kill()
    run.wait()
    return was_at_work


@pytest.mark.slow
def test_killed_at_random_moments_it_becomes_the_same_pack(tmp_path):
    corpus = a_corpus(tmp_path / "corpus", num_videos=30)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    command = [sys.executable, "prepare.py", str(corpus), "--size", "192", "--output"]
    subprocess.run([*command, str(undisturbed), "--processes", "2"], cwd=ROOT, check=True, capture_output=True)
    seed = int(os.environ.get("KINOGAN_KILL_SEED", "0"))
    chance, kills = random.Random(seed), 0
    while kills < NUM_KILLS:
        kills += killed_at_random(
            [*command, str(disturbed), "--processes", str(chance.randint(1, 2))], disturbed, chance
        )
        if (disturbed / INDEX_FILE).exists():  # then the pack behind it is whole
            assert Pack(disturbed).fingerprint == Pack(undisturbed).fingerprint and Pack(disturbed).damaged() == []
            if kills < NUM_KILLS:
                shutil.rmtree(disturbed)
        else:
            with pytest.raises(FileNotFoundError, match="no finished pack"):
                Pack(disturbed)
    subprocess.run([*command, str(disturbed)], cwd=ROOT, check=True, capture_output=True)
    assert contents(disturbed) == contents(undisturbed)
