"""Sweeps from the command line, with a stand-in for sbatch, and the sweep files that ship."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiment.command_line import build
from slurm import sweep
from slurm.sweep import main
from slurm.sweep_file import grid, random_trials, read_sweep

ROOT = Path(__file__).parents[2]
SWEEPS = sorted((ROOT / "conf" / "sweeps").glob("*.yaml"))
GRID = ROOT / "conf/sweeps/grid.yaml"


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Notes its arguments, one a line; runs' folders are below tmp_path."""
    program = tmp_path / "bin" / "sbatch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/said\necho Submitted batch job 7\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(sweep, "LISTS", tmp_path / "runs" / "sweeps")
    return tmp_path / "said"


def test_all_methods_are_there() -> None:
    assert {yaml.safe_load(path.read_text())["method"] for path in SWEEPS} == {"grid", "random", "bayes"}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_trial_builds_and_measures_what_is_minimised(path: Path, tmp_path: Path) -> None:
    described = read_sweep(path)
    trial = next(grid(described.parameters) if described.method == "grid" else random_trials(described.parameters, 0))
    here = ["--trainer.accelerator", "cpu", "--trainer.precision", "32-true", "--runs_folder", str(tmp_path / "runs")]
    experiment = build([*described.arguments(trial), *here])
    try:
        content = yaml.safe_load(path.read_text())
        measured = [key for each in experiment.trainer.callbacks for key in getattr(each, "metric_keys", ())]
        assert content["metric"]["goal"] == "minimize" and content["metric"]["name"] in measured
        given = yaml.safe_load((experiment.run_folder / "config.yaml").read_text())
        rate = trial["model.generator_optimizer.lr"]
        assert given["model"]["init_args"]["generator_optimizer"]["init_args"]["lr"] == rate
        assert given["trainer"]["max_steps"] == 20000
    finally:
        experiment.close()


def test_a_dry_run_prints_the_commands(capsys: pytest.CaptureFixture[str], sbatch: Path) -> None:
    assert main([str(GRID), "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len({*lines}) == len(lines) == 6
    assert lines[1].startswith("train.py --config conf/wgan_gp.yaml --config conf/trainer/gpu.yaml ")
    assert lines[1].endswith(" --model.generator_optimizer.lr=0.0001 --seed_everything=1")
    assert not sbatch.exists()


def test_a_sweep_is_one_array(capsys: pytest.CaptureFixture[str], sbatch: Path, tmp_path: Path) -> None:
    assert main([str(GRID), "--num_trials", "5", "--at_once", "2", "--", "--partition=gpu"]) == 0
    assert capsys.readouterr().out.startswith("Submitted batch job 7: 5 trials, listed in ")
    array, partition, script, listed = sbatch.read_text().splitlines()
    assert (array, partition, script) == ("--array=0-4%2", "--partition=gpu", str(ROOT / "slurm/array.sh"))
    assert Path(listed).parent == tmp_path / "runs" / "sweeps"
    described = read_sweep(GRID)
    expected = [described.arguments(trial) for trial in grid(described.parameters)][:5]
    assert [shlex.split(line) for line in Path(listed).read_text().splitlines()] == expected


def test_what_sbatch_refuses_is_said(capsys: pytest.CaptureFixture[str], sbatch: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid\npartition' >&2\nexit 1\n")
    assert main([str(GRID)]) == 2
    assert capsys.readouterr().err == "sweep.py: sbatch: error: invalid partition\n"
    assert not list((tmp_path / "runs" / "sweeps").iterdir())


def test_without_slurm(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "LISTS", tmp_path / "runs" / "sweeps")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([str(GRID)]) == 2
    assert capsys.readouterr().err == "sweep.py: there is no sbatch here; log in to the cluster, or add --dry_run\n"
    assert not list((tmp_path / "runs" / "sweeps").iterdir())


def test_a_script_of_ones_own_is_found_from_where_one_stands(sbatch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sbatch.parent)
    assert main([str(GRID), "--script", "mine.sh"]) == 0
    assert sbatch.read_text().splitlines()[1] == str(sbatch.parent / "mine.sh")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, "early_terminate goes by results, which takes W&B"),
        ({"parameters": {"a": {"value": "one\ntwo"}}}, "'--a=one\\ntwo' has a line break in it"),
        ({"parameters": {"a": {"value": "https://x:canary-5b1e@y"}}}, "has the value of HF_TOKEN in it"),
    ],
)
def test_what_no_array_can_have(
    changed: dict[str, Any],
    said: str,
    capsys: pytest.CaptureFixture[str],
    sbatch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary-5b1e")
    path = sbatch.with_name("sweep.yaml")
    content = {"program": "train.py", "method": "grid", "parameters": {"a": {"values": [1, 2]}}}
    path.write_text(yaml.safe_dump({**content, **changed}))
    assert main([str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"sweep.py: {path}: ") and said in captured.err and captured.err.count("\n") == 1
    assert "canary" not in captured.out + captured.err
    assert not sbatch.exists() and not (sbatch.parent / "runs").exists()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"model.generator_optimizer.lrr": {"values": [0.1]}}, "model.generator_optimizer: torch.optim.Adam has no "
         "argument 'lrr'; did you mean 'lr'?"),
        ({"modle.seed": {"value": 1}}, "--modle.seed is not an option"),
        ({"trainer.max_step": {"value": 1}}, "--trainer.max_step is not an option; did you mean"),
        ({"data.batch_size": {"values": [16, "many"]}}, "data.batch_size: Expected a int"),
        ({"model.objective": {"values": ["losses.hinge.Hinge", "losses.hinge.Hing"]}}, "model.objective: "),
        ({"model.objective": {"value": "os.system"}}, "os.system is not of a trusted package"),
        ({"config": {"value": "conf/nowhere.yaml"}}, "--config conf/nowhere.yaml: cannot be read, No such file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("more", [[], ["--dry_run"]])
def test_what_train_py_would_not_take_is_not_submitted(
    parameters: dict[str, Any],
    said: str,
    more: list[str],
    capsys: pytest.CaptureFixture[str],
    sbatch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(sbatch.parent)
    path = sbatch.with_name("sweep.yaml")
    content = {"program": "train.py", "method": "grid", "parameters": {"seed_everything": {"value": 1}, **parameters}}
    command = ["${program}", "--config", "conf/demo.yaml", "${args}"]
    path.write_text(yaml.safe_dump({**content, "command": command}))
    assert main([str(path), *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith(f"sweep.py: {path}: ") and said in captured.err
    assert Path.cwd() == sbatch.parent and not sbatch.exists() and not (sbatch.parent / "runs").exists()


def test_each_argument_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[list[str]] = []
    monkeypatch.setattr("experiment.command_line.check_arguments", looked_at.append)
    trials = [["--config", "a", f"--x={x}", f"--y={y}"] for x in (1, 2, 3) for y in (1, 2)]
    sweep.check_trials(trials)
    assert looked_at == [trials[0], trials[1], trials[2], trials[4]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["conf/sweeps/bayes.yaml", "--dry_run"],
            "bayes chooses by results, which takes W&B's server: wandb sweep",
        ),
        (["conf/sweeps/nothing.yaml"], "conf/sweeps/nothing.yaml: cannot be read, No such file"),
        (["conf/wgan_gp.yaml"], "conf/wgan_gp.yaml: is no sweep file"),
        ([], "the following arguments are required: file"),
        (["conf/sweeps/grid.yaml", "--dryrun"], "--dryrun is not an option; what is for sbatch follows --"),
        (["conf/sweeps/grid.yaml", "--num_trials", "0"], "--num_trials is 0; it must be at least 1"),
        (["conf/sweeps/grid.yaml", "--at_once", "x"], "argument --at_once: invalid int value: 'x'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("sweep.py: ") and captured.err.count("\n") == 1
    assert said in captured.err


def test_random_trials_need_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "endless.yaml"
    path.write_text(
        "program: train.py\nmethod: random\ncommand: ['${program}', --config, conf/demo.yaml, '${args}']\n"
        "parameters: {seed_everything: {min: 0, max: 99}}\n"
    )
    assert main([str(path), "--dry_run"]) == 2
    assert "random trials have no end; give --num_trials, or run_cap in the file" in capsys.readouterr().err
    printed = []
    for seed in ("0", "0", "1"):
        assert main([str(path), "--dry_run", "--num_trials", "4", "--seed", seed]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]


@pytest.mark.parametrize("script", sorted((ROOT / "slurm").glob("*.sh")), ids=lambda path: path.name)
def test_batch_scripts_are_shell(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (
            "--config 'my conf.yaml' --data.root \"it's\" --run_name ''",
            0,
            "[my conf.yaml] [--data.root] [it's] [--run_name] []",
        ),
        ("--config a.yaml --run_name bob's", 2, "list.txt, line 1: a quote is not closed"),
        ("--run_name $(touch made) `touch made`;", 0, "[$(touch] [made)] [`touch] [made`;]"),
    ],
)
def test_a_line_of_an_array_is_read_whole_or_not_at_all(tmp_path: Path, line: str, code: int, said: str) -> None:
    (tmp_path / "list.txt").write_text(f"{line}\n")
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    (tmp_path / "train.py").touch()
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nfor each; do printf "[%s] " "$each"; done\n')
    srun.chmod(0o755)
    environment = {"PATH": f"{srun.parent}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": "0"}
    ended = subprocess.run(
        ["bash", "slurm/array.sh", "list.txt"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    assert said in ended.stdout + ended.stderr
    assert bool(ended.stdout) == (code == 0) and not (tmp_path / "made").exists()
