"""Videos from a run, and a folder to give away that works like the run."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from evaluation.trained_run import open_run
from experiment.saved_run import is_run_folder
from sampling.command_line import main
from tensor_files.committed import damage
from tests.evaluation.runs import built, small, trained
from video_io.reading import probe, read_clip
from video_io.writing import write_video


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for name in ("bow/0.mp4", "bow/1.mp4", "wave/2.mp4"):
        (root / name).parent.mkdir(exist_ok=True)
        write_video(root / name, torch.randint(0, 255, (3, 20, 64, 64), dtype=torch.uint8), fps=25)
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, videos: Path) -> Path:
    return trained(tmp_path_factory.mktemp("runs"), videos)


@pytest.fixture
def exported(run: Path, tmp_path: Path) -> Path:
    assert main([str(run), "--export", str(tmp_path / "given"), "--fps", "12.5"]) == 0
    return tmp_path / "given"


def pixels(folder: Path, name: str = "00000.mp4") -> torch.Tensor:
    return read_clip(folder / name, range(8), None)


def test_each_video_is_a_file_and_a_function_of_seed_and_number(run: Path, tmp_path: Path) -> None:
    for name, more in (("five", ["--num_videos", "5"]), ("two", ["--num_videos", "2"]), ("other", ["--seed", "1"])):
        assert main([str(run), "--output", str(tmp_path / name), "--fps", "10", "--batch_size", "1", *more]) == 0
    five, two, other = (tmp_path / name for name in ("five", "two", "other"))
    assert [path.name for path in sorted(five.iterdir())] == [f"0000{index}.mp4" for index in range(5)]
    assert len(list(other.iterdir())) == 16
    found = probe(five / "00000.mp4")
    assert (found.num_frames, found.fps) == (8, 10)
    assert torch.equal(pixels(five), pixels(two))
    assert not torch.equal(pixels(five), pixels(other))


def test_a_grid_is_one_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--num_videos", "5", "--output", str(tmp_path / "deep" / "grid.mp4")]) == 0
    found = probe(tmp_path / "deep" / "grid.mp4")
    assert (found.num_frames, found.width, found.height) == (8, 3 * 66 - 2, 2 * 66 - 2)
    assert capsys.readouterr().out == f"5 videos of step 2 in {tmp_path}/deep/grid.mp4\n"


def test_what_is_exported_makes_the_same_videos(run: Path, exported: Path, tmp_path: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {
        "README.md", "card.json", "config.yaml", "generator.safetensors", "generator.sha256"
    }  # fmt: skip
    assert damage(exported / "generator.safetensors") == ""
    assert is_run_folder(exported)
    one, other = open_run(run), open_run(exported)
    assert (other.step, other.module.sampling) == (2, one.module.sampling)
    assert torch.equal(one.module.generate(3), other.module.generate(3))
    assert (
        open_run(exported).identity["checkpoint_sha256"]
        == json.loads((exported / "card.json").read_text())["weights_sha256"]
    )
    assert main([str(exported), "--num_videos", "1", "--output", str(tmp_path / "videos")]) == 0
    assert probe(tmp_path / "videos" / "00000.mp4").fps == 12.5


def test_an_export_tells_nothing_of_the_machine(exported: Path, videos: Path, run: Path) -> None:
    for path in exported.iterdir():
        content = path.read_bytes()
        assert str(videos.parent).encode() not in content and str(run.parent).encode() not in content, path
    assert yaml.safe_load((exported / "config.yaml").read_text())["data"]["init_args"]["root"] == videos.name
    card = json.loads((exported / "card.json").read_text())
    assert (card["video_shape"], card["step"], card["fps"], card["weights"]) == (
        [3, 8, 16, 16],
        2,
        12.5,
        "moving average",
    )


def test_an_export_holds_one_generator(exported: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds the moving average alone"):
        open_run(exported, ema=False)
    assert main([str(run), "--weights", "latest", "--export", str(tmp_path / "latest")]) == 0
    assert open_run(tmp_path / "latest").module.sampling["weights"] == "latest"


def test_a_damaged_export_is_refused(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exported / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert main([str(exported)]) == 2
    assert "is damaged: its SHA-256 is not that of generator.sha256" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"fps": null}'])
def test_a_card_that_is_none_is_one_line(exported: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (exported / "card.json").write_text(content)
    assert main([str(exported)]) == 2
    said = capsys.readouterr().err
    assert "card.json: is no card of an export; it has no fps" in said and said.count("\n") == 1


def test_labels_and_lengths(videos: Path, tmp_path: Path) -> None:
    conditional = built(tmp_path / "runs", videos, *small("dvd_gan"), "--data.num_frames", "8")
    assert main([str(conditional), "--labels", "0,1", "--num_videos", "3", "--output", str(tmp_path / "labels")]) == 0
    assert len(list((tmp_path / "labels").iterdir())) == 3


def test_videos_made_from_real_ones(videos: Path, tmp_path: Path) -> None:
    conditional = built(tmp_path / "runs", videos, *small("wgan_gp_conditional"))
    assert main([str(conditional), "--num_videos", "2", "--output", str(tmp_path / "made")]) == 0
    assert len(list((tmp_path / "made").iterdir())) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--checkpoint", "nowhere.ckpt"], "nowhere.ckpt: there is no such checkpoint"),
        (["--truncation", "2"], "truncation is 2.0; it must be above 0 and at most 1"),
        (["--num_videos", "0"], "num_videos is 0; it must be at least 1"),
        (["--num_frames", "99"], "need 99 frames"),
        (["--bogus"], "unrecognized arguments: --bogus; see sample.py --help"),
        (["--labels", "a"], "argument --labels: invalid numbers value: 'a'; see sample.py --help"),
        (["--export", "."], "--export .: there is something already; give a new folder"),
    ],
)
def test_a_mistake_is_one_line(run: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sample.py: ") and said in line


def test_a_folder_that_is_no_run(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "there is no such run folder" in capsys.readouterr().err
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "checkpoints")
    assert main([str(copy)]) == 2
    assert "this run has no checkpoints" in capsys.readouterr().err
