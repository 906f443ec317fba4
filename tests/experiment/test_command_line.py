"""A user's mistake is one line and exit code 2; what is right is built as written."""

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import Timer

from experiment.command_line import build
from experiment.one_line import UserError
from experiment.parsing import RESOLVERS, forbid_code
from tests.reliability.hostile_files import alias_bomb
from train import main
from video_io.writing import write_video

ROOT = Path(__file__).parents[2]
DEMO = str(ROOT / "conf" / "demo.yaml")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for name in ("one/a.mp4", "one/b.mp4", "two/c.mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, torch.randint(0, 255, (3, 20, 64, 64), dtype=torch.uint8), fps=25)
    return tmp_path / "videos"


def arguments(tmp_path: Path, videos: Path, *more: str) -> list[str]:
    return [
        "--config", DEMO, "--data.root", str(videos), "--trainer.accelerator", "cpu",
        "--runs_folder", str(tmp_path / "runs"), "--trainer.max_steps", "1", *more,
    ]  # fmt: skip


MISTAKES = {
    "unknown key of a network": (
        ["--model.generator.latent_dims", "3"],
        "model.generator: networks.* has no argument 'latent_dims'; did you mean 'latent_dim'?",
    ),
    "unknown key of the trainer": (
        ["--trainer.max_step", "3"],
        "--trainer.max_step is not an option*max_steps'?",
    ),
    "unknown group": (["--modle.seed", "3"], "--modle.seed is not an option*"),
    "wrong type": (
        ["--model.generator.latent_dim", "four"],
        "model.generator.latent_dim: Expected a int*four",
    ),
    "wrong type of a number of steps": (["--trainer.max_steps", "many"], "trainer.max_steps: *many*"),
    "a class of another kind": (
        ["--model.generator", "torch.nn.Linear"],
        "model.generator: Import path torch.nn.Linear does not correspond to a subclass of Generator",
    ),
    "a class that does not exist": (
        ["--model.objective", "losses.wgan_gp.WGANGPP"],
        "model.objective: *no attribute 'WGANGPP'",
    ),
    "a module that does not exist": (
        ["--model.objective", "losses.wgan.WGANGP"],
        "model.objective: *losses* has no attribute 'wgan'",
    ),
    "code": (
        ["--model.generator", "os.system"],
        "model.generator: os.system is not*--allow_package os",
    ),
    "a negative seed": (["--model.seed", "-1"], "*seed is -1; it must be at least 0"),
    "a config within itself": (
        ["--model.discriminator", "${model}"],
        "*parent node*full_key: model.init_args.discriminator*",
    ),
    "a bomb as a value": ([f"--data={alias_bomb()}"], "--data: its aliases mean *"),
    "a bomb as a word of its own": (["--model", alias_bomb()], "*: its aliases mean *"),
    "an argument of what no config may name": (
        ["--trainer.plugins", "{nothing: 1}"],
        "trainer.plugins: *has no argument 'nothing'",
    ),
    "two that refer to each other": (
        ["--model.seed", "${data.init_args.seed}", "--data.seed", "${model.init_args.seed}"],
        "Recursive interpolation detected; full_key: model.init_args.seed*",
    ),
    "unknown key of an optimizer": (
        ["--model.generator_optimizer.lrr", "0.1"],
        "model.generator_optimizer: torch.optim.Adam has no argument 'lrr'; did you mean 'lr'?",
    ),
    "half a path in the config": (["--model.generator", "${.}"], "*full_key: model.init_args.generator*"),
    "a resolver in place of a class": (["--model.generator_optimizer", "${a:}"], "Unsupported interpolation type a*"),
    "value out of range": (["--model.discriminator_steps", "0"], "discriminator_steps is 0; it must be at least 1"),
    "missing config": (["--config", "nowhere.yaml"], "*nowhere.yaml*"),
    "missing data file": (["--data", "conf/data/nowhere.yaml"], "*nowhere.yaml*"),
    "missing folder": (["--data.root", "nowhere"], "data: *nowhere*"),
    "missing checkpoint": (["--resume", "nowhere.ckpt"], "--resume nowhere.ckpt: there is no such checkpoint"),
    "a size that the networks cannot make": (["--data.size", "50"], "size is 50; *"),
    "more frames than the videos have": (["--data.num_frames", "32"], "data: *32 frames: one/a.mp4 (20 frames)*"),
    "an option without its value": (["--runs_folder"], "*runs_folder*"),
    "a config without its name": (["--config"], "*--config*expected one argument*"),
    "a batch that cannot be divided": (
        ["--trainer.devices", "3", "--data.batch_size", "16"],
        "data: batch_size *: 16 cannot be divided by 3 processes; take 15",
    ),
    "clips that the generator does not make": (
        ["--model.generator.num_frames", "8"],
        "the data gives clips of (C, T, H, W) = (3, 16, 32, 32), the generator makes (3, 8, 32, 32); *",
    ),
    "players of different sizes": (
        ["--model.discriminator.size", "64"],
        "CompactDiscriminator cannot judge videos of (C, T, H, W) = (3, 16, 32, 32), which the generator makes *",
    ),
    "a precision that is not meant": (
        ["--trainer.precision", "bf16-true"],
        "trainer.precision is bf16-true; it must be 32-true or bf16-mixed",
    ),
    "a best metric that is not measured": (
        ["--checkpoints.best_metric", "kid"],
        "Checkpoints.best_metric is 'kid'; this run measures fid4096/*",
    ),
    "missing weights": (
        [
            "--metrics.fid_network",
            "metrics.inception.InceptionV3Network",
            "--metrics.fid_network.weights",
            "nowhere.pth",
        ],
        "DistributionMetrics: No weight file nowhere.pth. Download *",
    ),
    "nothing to measure on": (
        ["--metrics.split", "validation", "--data.validation_fraction", "0"],
        "DistributionMetrics: the validation split is empty; *",
    ),
    "a logger without a name": (["--trainer.logger", "true"], "trainer.logger is true; give a logger's class_path*"),
    "not a checkpoint": (["--resume", DEMO], f"--resume {DEMO}: cannot be read as a checkpoint"),
    "runs in a file": (["--runs_folder", DEMO], f"--runs_folder {DEMO}: no folder can be made there, *"),
    "runs where nothing can be written": (["--runs_folder", "/dev/null/runs"], "--runs_folder /dev/null/runs: no *"),
}


@pytest.mark.parametrize("part", ["trainer", "model", "data", "samples", "seed_everything"])
def test_a_key_of_a_config_with_nothing_below_it(
    part: str, tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(f"{part}:\n")
    code = main(arguments(tmp_path, videos, "--config", str(tmp_path / "mine.yaml"), "--trainer.max_steps", "0"))
    lines = capsys.readouterr().err.strip().splitlines()
    assert code in (0, 2) and (code == 0 or len(lines) == 1), lines


@pytest.mark.parametrize(("given", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line(
    given: list[str], expected: str, tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, videos, *given)) == 2
    printed = capsys.readouterr()
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1, printed.err
    assert fnmatch(lines[0], f"train.py: {expected}"), lines[0]
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_a_video(tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(arguments(tmp_path, videos, "--data.root", str(tmp_path / "empty"))) == 2
    assert "no video" in capsys.readouterr().err


def test_a_mistake_in_a_file_is_one_line(tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("modle:\n  seed: 1\n", "model: [1, 2\n", "data:\n  init_args:\n    size: ${data.init_args.sise}\n"):
        (tmp_path / "more.yaml").write_text(text)
        assert main(arguments(tmp_path, videos, "--config", str(tmp_path / "more.yaml"))) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_config_runs_no_code(tmp_path: Path, videos: Path) -> None:
    marker = tmp_path / "executed"
    (tmp_path / "payload.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Thing: pass\n")
    environment_reader = "model:\n  init_args:\n    seed: ${oc.env:HOME}\n"
    importer = "model:\n  init_args:\n    seed: ${oc.coerce:payload.Thing,1}\n"
    class_path = "model:\n  init_args:\n    objective:\n      class_path: payload.Thing\n"
    sys.path.insert(0, str(tmp_path))
    try:
        for text in (environment_reader, importer, class_path):
            (tmp_path / "evil.yaml").write_text(text)
            with pytest.raises(UserError):
                build(arguments(tmp_path, videos, "--config", str(tmp_path / "evil.yaml")))
            assert not marker.exists()
    finally:
        sys.path.remove(str(tmp_path))


FUNCTIONS = {
    "code from a folder or a repository": "{class_path: torch.hub.load, init_args: {repo_or_dir: FOLDER, model: x, "
    "source: local}}",
    "a pickle": "{class_path: torch.load, init_args: {f: FOLDER/evil.pt, weights_only: false}}",
    "a pickle, by Lightning": "{class_path: pytorch_lightning.LightningModule.load_from_checkpoint, init_args: "
    "{checkpoint_path: FOLDER/evil.pt, weights_only: false}}",
    "a pickle, by way of a class of ours": "{class_path: lightning_modules.video_gan.VideoGAN.load_from_checkpoint, "
    "init_args: {checkpoint_path: FOLDER/evil.pt, weights_only: false}}",
    "a program of a module's own import": "{class_path: callbacks.stop_signals.os.system, init_args: {command: x}}",
    "a function of ours": "{class_path: metrics.weights.load_weights, init_args: {path: FOLDER/evil.pt}}",
}


class Evil:
    """Its pickle makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("named", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_config_calls_no_function(named: str, tmp_path: Path, videos: Path) -> None:
    marker = tmp_path / "executed"
    (tmp_path / "hubconf.py").write_text(f"open({str(marker)!r}, 'w').close()\ndef x(): pass\n")
    torch.save({"state_dict": {}, "more": Evil(marker)}, tmp_path / "evil.pt")
    for key in ("generator_optimizer", "generator_scheduler"):
        given = ("--model." + key, named.replace("FOLDER", str(tmp_path)))
        with pytest.raises(UserError, match=r"is not of a trusted package|is no class"):
            build(arguments(tmp_path, videos, *given))
        assert not marker.exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.yaml", "https://localhost:9/a.yaml", "file:///etc/passwd"])
def test_a_config_fetches_nothing(address: str, tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[object] = []
    monkeypatch.setattr("fsspec.open", lambda *given, **more: fetched.append(given))
    (tmp_path / "more.yaml").write_text(f"model: {{init_args: {{generator: '{address}'}}}}\n")
    for given in (["--model.generator", address], ["--data", address], ["--config", str(tmp_path / "more.yaml")]):
        with pytest.raises(UserError):
            build(arguments(tmp_path, videos, *given))
    assert fetched == []


@pytest.mark.parametrize("key", ["model.generator", "data.root"])
def test_a_line_is_short_whatever_it_quotes(key: str, tmp_path: Path, videos: Path) -> None:
    with pytest.raises(UserError) as caught:
        build(arguments(tmp_path, videos, f"--{key}", "x" * 10_000))
    assert str(caught.value).startswith(key.split(".")[0]) and " ... " in str(caught.value)
    assert len(str(caught.value)) < 1100


def test_no_resolver_is_left() -> None:
    forbid_code([])
    assert not any(OmegaConf.has_resolver(f"oc.{name}") for name in RESOLVERS)
    with pytest.raises(Exception, match=r"oc\.env"):
        OmegaConf.to_container(OmegaConf.create({"a": "${oc.env:HOME}"}), resolve=True)


def test_a_package_is_trusted_by_name_only(tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_losses.py").write_text(
        "from losses.non_saturating import NonSaturating\nclass Mine(NonSaturating): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    given = arguments(tmp_path, videos, "--model.objective", "my_losses.Mine")
    with pytest.raises(UserError, match=r"my_losses.Mine is not of a trusted package; .* --allow_package my_losses"):
        build(given)
    assert type(build([*given, "--allow_package", "my_losses"]).model.objective).__name__ == "Mine"


def test_layers_and_overrides(tmp_path: Path, videos: Path) -> None:
    (tmp_path / "faster.yaml").write_text(
        "trainer:\n  max_steps: 7\nmodel:\n  init_args:\n    discriminator_steps: 3\n"
    )
    experiment = build(
        arguments(
            tmp_path, videos, "--config", str(tmp_path / "faster.yaml"),
            "--model.discriminator_steps", "2", "--model.generator_optimizer.lr", "0.5", "--run_name", "mine",
        )
    )  # fmt: skip
    assert experiment.trainer.max_steps == 7
    assert experiment.model.steps_between["generator"] == 2
    discriminator, generator = experiment.model.configure_optimizers()
    assert generator["optimizer"].param_groups[0]["lr"] == 0.5
    assert discriminator["optimizer"].param_groups[0]["lr"] != 0.5
    assert experiment.run_folder.parent == (tmp_path / "runs" / "mine").absolute()
    resolved = yaml.safe_load((experiment.run_folder / "config.yaml").read_text())
    assert resolved["data"]["init_args"]["root"] == str(videos)
    assert "${" not in (experiment.run_folder / "config.yaml").read_text()


def test_the_saved_config_repeats_the_run(tmp_path: Path, videos: Path) -> None:
    first = build(arguments(tmp_path, videos, "--trainer.max_steps", "5"))
    again = build(["--config", str(first.run_folder / "config.yaml"), "--runs_folder", str(tmp_path / "again")])
    assert again.trainer.max_steps == 5
    assert again.run_folder != first.run_folder
    assert again.run_folder.parent == tmp_path / "again" / "demo"  # not "config", as the file is called
    # It logs into its own folder, not into the first run's.
    assert all(str(tmp_path / "again") in str(logger.save_dir) for logger in again.trainer.loggers)


def test_a_file_called_config_is_only_a_saved_one_where_a_run_has_saved_it(tmp_path: Path, videos: Path) -> None:
    own = tmp_path / "config.yaml"
    own.write_text(Path(DEMO).read_text())
    given = arguments(tmp_path, videos)
    assert build(["--config", str(own), *given[2:]]).run_folder.parent.name == "config"


def test_a_checkpoint_of_other_networks_or_of_no_run(
    tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.ckpt"
    weights = {"generator.weight": torch.zeros(3)}
    training: dict[str, object] = {
        "loops": {"fit_loop": {}}, "optimizer_states": [], "callbacks": {}, "global_step": 3,
    }  # fmt: skip
    for content, said in (
        (weights, "is no checkpoint of a run"),
        ({"state_dict": weights, **training, "loops": {}}, "is no checkpoint of a run"),
        ({"state_dict": weights, **training, "global_step": "3"}, "is no checkpoint of a run"),
        ({"state_dict": weights, **training, "optimizer_states": None}, "is no checkpoint of a run"),
        ({"state_dict": weights, **training}, "is of other networks: "),
    ):
        torch.save(content, path)
        assert main(arguments(tmp_path, videos, "--resume", str(path))) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"train.py: --resume {path}: {said}")
        assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("root", "size", "said"),
    [
        ("canary-4f9a-secret", "16", "the config has the value of HF_TOKEN in it"),
        (".", "canary-4f9a-secret", "data.size: *<HF_TOKEN>*"),
    ],
)
def test_a_secret_in_a_config_that_a_config_names(
    tmp_path: Path,
    videos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    root: str,
    size: str,
    said: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary-4f9a-secret")
    (tmp_path / "inner.yaml").write_text(
        f"class_path: datamodules.acting_figures.ActingFigures\ninit_args: {{root: {root}, size: {size}}}\n"
    )
    (tmp_path / "outer.yaml").write_text("data: inner.yaml\n")
    given = ["--config", DEMO, "--config", str(tmp_path / "outer.yaml"), "--runs_folder", str(tmp_path / "runs")]
    assert main(given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert fnmatch(line, f"train.py: *{said}*") and "canary" not in line
    assert not (tmp_path / "runs").exists()


def test_a_planted_checkpoint_of_lightning_is_never_loaded(tmp_path: Path, videos: Path) -> None:
    """On SLURM Lightning starts a fit without a checkpoint from a file of that name in the run's folder."""
    folder = tmp_path / "runs" / "mine"
    given = arguments(tmp_path, videos, "--trainer.logger", "false", "--run_folder", str(folder))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "hpc_ckpt_1.ckpt").write_bytes(b"planted")
    experiment = build(given)
    experiment.close()
    connector = experiment.trainer._checkpoint_connector
    assert experiment.resume is None and connector._hpc_resume_path is None
    planted = folder / "hpc_ckpt_1.ckpt"
    planted.write_bytes(b"planted")
    assert connector._hpc_resume_path == str(planted)
    with pytest.raises(
        UserError, match=r"hpc_ckpt_1\.ckpt: is none of this run's files, and Lightning would start from"
    ):
        build(given)


@pytest.mark.parametrize("logger", ["false", "null", "[]"])
def test_without_a_dashboard_there_is_still_metrics_csv(tmp_path: Path, videos: Path, logger: str) -> None:
    experiment = build(arguments(tmp_path, videos, "--trainer.logger", logger))
    assert [type(each).__name__ for each in experiment.trainer.loggers] == ["MetricsCsv"]


def test_the_timer_stops_before_other_callbacks_look(tmp_path: Path, videos: Path) -> None:
    experiment = build(arguments(tmp_path, videos, "--trainer.max_time", "00:00:01:00"))
    first, *_, last = experiment.trainer.callbacks
    assert isinstance(first, Timer)
    assert type(last).__name__ == "Checkpoints"


def test_help_and_print_config_leave_nothing_behind(tmp_path: Path) -> None:
    for option in ("--help", "--print_config"):
        finished = subprocess.run(
            [sys.executable, "train.py", "--config", DEMO, option, "--runs_folder", str(tmp_path / "runs")],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
        assert not (tmp_path / "runs").exists()
