import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks import study, study_measurement, study_training
from benchmarks.study_plan import FAILURE, FIRST_STAGES, Budget, arguments_for, finished, models, write_json
from benchmarks.study_report import write_report
from experiment.command_line import build
from experiment.one_line import UserError
from metrics.card import MetricCard
from video_io.writing import write_video

BUDGET = Budget(
    data="", root=None, minutes=10.0, threads=1, jobs=1, precision="32-true", scale="small", num_videos=8, repeats=2
)
FID, FVD = "fid128/efficientnet_lite0", "fvd8_16f/efficientnet_lite0"
# A budget as the command line says it, without what stands for itself.
AS_ARGUMENTS = ["--num_videos", "8", "--repeats", "2"]


def card(key: str, value: float, seed: int, **changes: Any) -> dict[str, Any]:
    made = MetricCard(
        key=key, value=value, num_real=8, num_fake=8, num_frames=16, fps=25.0, frame_size=(32, 32), resize="none",
        feature_network="efficientnet_lite0", weights_sha256="5793", real_fingerprint="ab12cd34ef56aa",
        real_split="train", real_clips_sha256="cd34", seed=seed,
        sampling={"weights": "moving average", "truncation": 1.0, "conditions_on_clips": False},
    )  # fmt: skip
    return {**made.as_dict(), **changes}


def training(**changes: Any) -> dict[str, Any]:
    return {
        "budget": dataclasses.asdict(BUDGET), "commit": "abc1234", "checkpoint": "last.ckpt",
        "parameters": {"generator": 1_500_000, "discriminator": 500_000},
        "parameters_that_learn": {"generator": 1_500_000, "discriminator": 500_000},
        "objective": "Hinge", "steps": 100, "clips_seen": 1600, "clips_per_second": 20.4, "training_minutes": 10.02,
        "cpu_share": 0.98, "accelerator": "cpu", "device": "a CPU", "threads": 1, "conditions_on_clips": False,
        "video_shape": [3, 16, 32, 32], "data": "ten videos", **changes,
    }  # fmt: skip


def write_result(
    output: Path, model: str, fvd: tuple[float, ...] = (50.0, 54.0), of_cards: dict | None = None, **changes: Any
) -> None:
    cards = {key: [card(key, value, seed, **(of_cards or {})) for seed, value in enumerate(fvd)] for key in (FID, FVD)}
    result = {
        "model": model, **training(), "untrained": {FID: 900.0, FVD: 800.0}, "first_stage": None,
        "metrics": {key: {"values": list(fvd), "cards": cards[key]} for key in (FID, FVD)},
        "memorisation_ratio": 1.25, "motion_ratio": 0.5, "num_training_clips": 512, **changes,
    }  # fmt: skip
    (output / model).mkdir(parents=True, exist_ok=True)
    write_json(output / model / "result.json", result)
    for path in (output / "real.png", output / model / "samples.png"):
        Image.new("RGB", (8, 8)).save(path)


def report(output: Path, *names: str, mixed: bool = False) -> str:
    write_report(output, output / "page.md", list(names), mixed)
    return (output / "page.md").read_text()


def rows(page: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:2] == "| "]
    return {row[0].partition("]")[0].strip("["): row for row in cells}


# ---- what is trained ----


def test_the_models_are_those_with_a_small_variant_that_make_videos(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"wgan_gp", "mocogan_hd", "dvd_gan"} <= set(models())
    assert not {"stylegan_image", "demo"} & set(models())
    assert all(model in models() for model in FIRST_STAGES)
    assert study.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{index} {name}" for index, name in enumerate(models())]


def test_arguments_layer_the_small_variant_and_state_the_budget() -> None:
    given = arguments_for("vgan", BUDGET, 10.0, Path("out/vgan"), "run")
    configs = [given[place + 1] for place, argument in enumerate(given) if argument == "--config"]
    assert [Path(path).parts[-2:] for path in configs] == [("conf", "vgan.yaml"), ("small", "vgan.yaml")]
    assert all(Path(path).is_file() for path in configs)
    assert "--data" not in given and "--data.root" not in given
    for name, value in (("--trainer.max_time", "00:00:10:00"), ("--trainer.precision", "32-true")):
        assert given[given.index(name) + 1] == value
    full = dataclasses.replace(BUDGET, data="d.yaml", root="r", scale="full", precision="bf16-mixed")
    given = arguments_for("vgan", full, 26 * 60 + 0.55, Path("out"), "run")
    assert given.count("--config") == 1
    for name, value in (
        ("--data", "d.yaml"), ("--data.root", "r"), ("--trainer.max_time", "01:02:00:33"),
        ("--trainer.precision", "bf16-mixed"),
    ):  # fmt: skip
        assert given[given.index(name) + 1] == value


def test_one_takes_one_model() -> None:
    assert study.the_one(None, ["vgan"]) == "vgan"
    assert study.the_one(0, None) == models()[0]
    assert study.the_one(1, ["vgan", "tgan"]) == "tgan"
    for names in (None, ["vgan", "tgan"]):
        with pytest.raises(SystemExit, match=r"^study: `one` takes --models NAME, or --index NUMBER"):
            study.the_one(None, names)
    for index in (-1, len(models())):
        with pytest.raises(SystemExit, match=rf"^study: --index is {index}; of {len(models())} models it is 0 to"):
            study.the_one(index, None)


def test_a_result_counts_only_for_its_own_budget(tmp_path: Path) -> None:
    assert not finished(tmp_path / "vgan", BUDGET)
    write_result(tmp_path, "vgan")
    assert finished(tmp_path / "vgan", BUDGET)
    with pytest.raises(SystemExit, match="is of another budget"):
        finished(tmp_path / "vgan", dataclasses.replace(BUDGET, jobs=2))


# ---- running ----


def test_finished_models_are_not_trained_again_and_a_failure_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path, "vgan")
    started = []

    def start(model: str, budget: Budget, output: Path) -> subprocess.Popen:
        started.append(model)
        (output / model).mkdir()
        if model == "tgan":
            write_result(tmp_path, model)
        return subprocess.Popen(["false" if model == "mocogan" else "true"])

    monkeypatch.setattr(study, "in_own_process", start)
    monkeypatch.setattr(study, "POLL_SECONDS", 0.01)
    assert study.run(["vgan", "tgan", "mocogan", "dvd_gan"], BUDGET, tmp_path) == 2
    assert started == ["tgan", "mocogan", "dvd_gan"]
    said = capsys.readouterr().out
    assert "1 of 4 models are done; 3 to go" in said
    assert f"tgan: 100 steps, {FID} 52, {FVD} 52" in said
    assert "mocogan: FAILED, ended with exit code 1; see" in said
    assert (tmp_path / "mocogan" / FAILURE).read_text() == "ended with exit code 1"
    assert (
        tmp_path / "dvd_gan" / FAILURE
    ).read_text() == "ended with exit code 0"  # as Lightning does when it is told to stop


def test_ctrl_c_ends_the_processes_and_starts_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def start(*_: Any) -> subprocess.Popen:
        started.append(subprocess.Popen(["sleep", "60"]))
        return started[-1]

    def press(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "in_own_process", start)
    monkeypatch.setattr(time, "sleep", press)
    with pytest.raises(KeyboardInterrupt):
        study.run(["vgan", "tgan", "mocogan"], dataclasses.replace(BUDGET, jobs=2), tmp_path)
    assert [process.returncode for process in started] == [-signal.SIGTERM] * 2


def test_a_process_is_told_the_whole_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: commands.append(command))
    budget = dataclasses.replace(BUDGET, root="videos", precision="bf16-mixed", jobs=3)
    study.in_own_process("vgan", budget, tmp_path)
    given = study.parsed(commands[0][3:])
    assert (given.command, given.models, given.output) == ("one", ["vgan"], tmp_path)
    assert Budget(**{name: getattr(given, name) for name in dataclasses.asdict(BUDGET)}) == budget


def test_a_requeued_array_task_does_not_train_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path, "vgan")
    monkeypatch.setattr(study_training, "train_one", None)
    index = str(models().index("vgan"))
    assert study.main(["one", "--index", index, "--output", str(tmp_path), *AS_ARGUMENTS]) == 0
    assert "vgan is done: 100 steps" in capsys.readouterr().out


def test_one_says_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: Exception) -> None:
        def train_one(*_: Any) -> None:
            shutil.rmtree(tmp_path / "vgan")  # as a run that cannot be built does
            raise error

        monkeypatch.setattr(study_training, "train_one", train_one)

    fail(UserError("hold videos out"))
    assert study.one("vgan", BUDGET, tmp_path) == 2
    assert capsys.readouterr().err == "study: hold videos out\n"
    assert (tmp_path / "vgan" / FAILURE).read_text() == "hold videos out"
    fail(RuntimeError("first line\nsecond"))
    with pytest.raises(RuntimeError):
        study.one("vgan", BUDGET, tmp_path)
    assert (tmp_path / "vgan" / FAILURE).read_text() == "RuntimeError: first line"


# ---- the page ----


def test_the_page_orders_models_and_has_a_row_for_those_without_a_result(tmp_path: Path) -> None:
    write_result(tmp_path, "vgan", fvd=(80.0, 90.0), conditions_on_clips=True, motion_ratio=None)
    write_result(tmp_path, "tgan", fvd=(50.0, 54.0))
    (tmp_path / "mocogan").mkdir()
    (tmp_path / "mocogan" / FAILURE).write_text("DivergedError: step 7: it burst")
    page = report(tmp_path, "dvd_gan", "mocogan", "tgan", "vgan")
    table = rows(page)
    assert list(table) == ["model", "---", "tgan", "vgan", "dvd_gan", "mocogan"]
    assert table["tgan"] == [
        "[tgan](../conf/tgan.yaml)", "Hinge", "1.50 M + 0.50 M", "100", "20", "10.0", "800", "52 [50, 54]",
        "52 [50, 54]", "1.25", "0.50",
    ]  # fmt: skip
    assert table["vgan"][0].endswith(") †") and table["vgan"][-1] == "-"
    assert table["mocogan"][1:] == ["failed", *["-"] * 9]
    assert table["dvd_gan"][1:] == ["not run", *["-"] * 9]
    assert "- mocogan failed: DivergedError: step 7: it burst" in page
    assert "- Code: abc1234." in page
    assert "over latents, not over training seeds" in page
    assert (tmp_path / "page" / "tgan.png").exists() and 'src="page/real.png"' in page


def test_the_page_tells_both_stages(tmp_path: Path) -> None:
    first = {"model": "stylegan_image", **training(training_minutes=5.0, steps=70, clips_seen=1120)}
    learn = {"generator": 500_000, "discriminator": 500_000}
    write_result(
        tmp_path, "mocogan_hd", first_stage=first, untrained=None, training_minutes=5.1, parameters_that_learn=learn
    )
    page = report(tmp_path, "mocogan_hd")
    row = rows(page)["mocogan_hd"]
    assert (row[2], row[5], row[6]) == ("1.50 M + 0.50 M", "10.1", "-")
    assert "- mocogan_hd: 1.00 M of its parameters are frozen." in page
    assert "- mocogan_hd starts from stylegan_image, whose 1.50 M + 0.50 M parameters were trained for 5.0" in page
    assert "70 steps, 1120 clips (then 1600)" in page


def test_the_page_warns_of_models_that_were_not_alone(tmp_path: Path) -> None:
    write_result(tmp_path, "vgan")
    write_result(tmp_path, "tgan", cpu_share=1.0)
    page = report(tmp_path, "vgan", "tgan")
    assert "- Each model got 0.98 to 1.00 of its core(s)" in page and "Warning" not in page
    write_result(tmp_path, "tgan", first_stage={"model": "stylegan_image", **training(cpu_share=0.61)})
    page = report(tmp_path, "vgan", "tgan")
    assert "- Each model got 0.61 to 0.98 of its core(s)" in page and "**Warning**" in page
    write_result(tmp_path, "tgan", accelerator="cuda", cpu_share=0.3)
    assert "core(s)" not in report(tmp_path, "tgan")


def test_results_of_different_commits_are_joined_on_request_only(tmp_path: Path) -> None:
    write_result(tmp_path, "vgan")
    write_result(tmp_path, "tgan", commit="def5678-dirty")
    with pytest.raises(SystemExit, match=r"different code, abc1234 \(vgan\); def5678-dirty \(tgan\); .* add --mixed"):
        report(tmp_path, "vgan", "tgan")
    assert "- Code: abc1234 (vgan); def5678-dirty (tgan)." in report(tmp_path, "vgan", "tgan", mixed=True)
    assert "abc1234" in report(tmp_path, "vgan")  # the other one is not asked for


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"of_cards": {"weights_sha256": "0000"}}, "weights_sha256 of the cards"),
        ({"of_cards": {"sampling": {"weights": "latest", "truncation": 1.0}}}, "sampling of the cards"),
        ({"threads": 2}, "threads"),
        ({"device": "another CPU"}, "device"),
        ({"budget": {**dataclasses.asdict(BUDGET), "jobs": 2}}, "budget"),
    ],
)
def test_what_was_not_made_alike_is_not_put_into_one_table(tmp_path: Path, changes: dict, named: str) -> None:
    write_result(tmp_path, "vgan")
    write_result(tmp_path, "tgan", **changes)
    with pytest.raises(SystemExit, match=f"^vgan and tgan were not trained and measured alike: {named}$"):
        report(tmp_path, "vgan", "tgan")


def test_a_model_that_conditions_on_clips_stands_beside_the_others(tmp_path: Path) -> None:
    write_result(tmp_path, "vgan")
    sampling = {"weights": "moving average", "truncation": 1.0, "conditions_on_clips": True}
    write_result(tmp_path, "tgan", of_cards={"sampling": sampling}, conditions_on_clips=True)
    assert "†" in rows(report(tmp_path, "vgan", "tgan"))["tgan"][0]


def test_no_result_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run the study first"):
        report(tmp_path, "vgan")


# ---- training ----


class Stages:
    """Stands in for building, training and measuring; remembers what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.built: list[list[str]] = []
        self.num_fits = 0
        self.fails_at = 0
        self.folder = folder
        monkeypatch.setattr(study_training, "build", self.built.append)
        monkeypatch.setattr(study_training, "fit", self.fit)
        monkeypatch.setattr(study_training, "commit", lambda: "abc1234")
        for name in ("check_held_out", "real_references"):
            monkeypatch.setattr(study_training, name, lambda *_: None)
        monkeypatch.setattr(study_training, "measure", lambda *_: {"metrics": {}})

    def fit(self, *_: Any) -> dict[str, Any]:
        self.num_fits += 1
        if self.num_fits == self.fails_at:
            raise KeyboardInterrupt
        checkpoint = self.folder / f"{self.num_fits}.ckpt"
        checkpoint.touch()
        known = training(checkpoint=str(checkpoint))
        return {name: value for name, value in known.items() if name not in ("budget", "commit")}


def test_a_first_stage_takes_half_the_budget_and_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mocogan_hd").mkdir()
    budget = dataclasses.replace(BUDGET, threads=0)
    stages = Stages(monkeypatch, tmp_path)
    stages.fails_at = 2
    with pytest.raises(KeyboardInterrupt):
        study_training.train_one("mocogan_hd", budget, tmp_path)
    assert not (tmp_path / "mocogan_hd" / "result.json").exists()
    result = study_training.train_one("mocogan_hd", budget, tmp_path)
    assert stages.num_fits == 3
    assert ["conf/stylegan_image" in " ".join(given) for given in stages.built] == [True, False, False]
    assert all(given[given.index("--trainer.max_time") + 1] == "00:00:05:00" for given in stages.built)
    assert stages.built[-1][-2:] == ["--model.generator.image_checkpoint", str(tmp_path / "1.ckpt")]
    assert result["first_stage"]["model"] == "stylegan_image"
    assert result["untrained"] is None
    assert json.loads((tmp_path / "mocogan_hd" / "result.json").read_text()) == result


def test_a_training_is_kept_for_its_budget_and_code_alone(tmp_path: Path) -> None:
    origin = {"budget": dataclasses.asdict(BUDGET), "commit": "abc1234"}
    path, checkpoint = tmp_path / "training.json", tmp_path / "last.ckpt"
    assert study_training.kept(path, origin) is None
    write_json(path, training(checkpoint=str(checkpoint)))
    assert study_training.kept(path, origin) is None
    checkpoint.touch()
    assert study_training.kept(path, origin) == training(checkpoint=str(checkpoint))
    assert study_training.kept(path, {**origin, "commit": "def5678"}) is None
    assert study_training.kept(path, {**origin, "budget": {**origin["budget"], "minutes": 11.0}}) is None


def test_speeds_are_read_where_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert study_training.logged_speeds(path) == []
    path.write_text("step,loss\n1,2.0\n")
    assert study_training.logged_speeds(path) == []
    path.write_text("step,speed/clips_per_second\n1,\n10,20.5\n")
    assert study_training.logged_speeds(path) == [20.5]


def test_the_commit_is_told_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_training, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert study_training.commit() == "unknown"
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    first = study_training.commit()
    assert len(first) >= 7 and "dirty" not in first
    (tmp_path / "file").write_text("2")
    assert study_training.commit() == f"{first}-dirty"


def test_motion_is_the_mean_difference_of_neighbouring_frames() -> None:
    still = torch.randint(0, 256, (3, 3, 1, 4, 4), dtype=torch.uint8).expand(-1, -1, 5, -1, -1)
    assert study_measurement.motion_of(still) == 0
    clips = torch.zeros(20, 3, 3, 2, 2, dtype=torch.uint8)
    clips[:, :, 1] = 200  # up and down again: 200 both times
    clips[10:] = 0
    assert study_measurement.motion_of(clips) == pytest.approx(100)


# ---- the whole path, on a handful of videos ----


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    rng = torch.Generator().manual_seed(0)
    for index in range(6):
        noise = torch.randint(0, 255, (3, 18, 8, 8), dtype=torch.uint8, generator=rng)
        pixels = noise.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
        write_video(folder / f"{index}.mp4", pixels, fps=25)
    return folder


def data_yaml(folder: Path, validation_fraction: float) -> str:
    path = folder / f"videos {validation_fraction}.yaml"
    path.write_text(
        "class_path: datamodules.video_folder.VideoFolder\n"
        f"init_args: {{root: unknown, num_workers: 0, validation_fraction: {validation_fraction}}}\n"
    )
    return str(path)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """More than a model of the study gets; and fewer training clips to look for copies in."""
    monkeypatch.setattr(study_measurement, "NUM_TRAINING_CLIPS", 8)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_one_model_from_the_videos_to_the_page(tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = dataclasses.replace(
        BUDGET, data=data_yaml(tmp_path, 0.5), root=str(videos), minutes=2 / 60, num_videos=8, repeats=1
    )
    output = tmp_path / "study"
    assert study.one("dcgan_video", budget, output) == 0
    result = json.loads((output / "dcgan_video" / "result.json").read_text())
    assert result["threads"] == 1
    assert result["steps"] >= 1 and result["clips_seen"] == 16 * result["steps"]
    assert result["clips_per_second"] > 0 and 0 < result["cpu_share"] < 1.5
    assert 1.5 < 60 * result["training_minutes"] < 20
    assert result["parameters"] == result["parameters_that_learn"]
    assert set(result["untrained"]) == set(result["metrics"]) == {FID, FVD}
    assert result["metrics"][FVD]["cards"][0]["step"] == result["steps"]
    assert result["memorisation_ratio"] > 0 and result["motion_ratio"] > 0
    assert "dcgan_video" in rows(report(output, "dcgan_video"))
    assert not list(output.rglob("*.part"))

    # Interrupted after the training: what was trained is measured, and measures the same.
    (output / "dcgan_video" / "result.json").unlink()
    monkeypatch.setattr(study_training, "fit", None)
    again = study_training.train_one("dcgan_video", budget, output)
    assert again == result

    # Other clips of the same videos are other references.
    experiment = build(arguments_for("dcgan_video", budget, 1, tmp_path, "other"))
    cache = output / "real_features"
    assert len(list(cache.iterdir())) == 2
    for seed, num_files in ((0, 2), (1, 3)):
        study_measurement.data_of(experiment).seed = seed
        study_measurement.clip_statistics(experiment, 8, "train", cache)
        assert len(list(cache.iterdir())) == num_files


def test_data_that_hold_no_videos_out_are_refused_before_training(tmp_path: Path, videos: Path) -> None:
    budget = dataclasses.replace(BUDGET, data=data_yaml(tmp_path, 0), root=str(videos), threads=0)
    with pytest.raises(UserError, match="holds no videos out"):
        study_training.train_one("dcgan_video", budget, tmp_path / "study")


def test_a_mistake_on_the_command_line_is_one_line() -> None:
    command = [sys.executable, "-m", "benchmarks.study", "one", "--index", "99"]
    ended = subprocess.run(command, cwd=study.ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1 and "--index is 99" in ended.stderr
