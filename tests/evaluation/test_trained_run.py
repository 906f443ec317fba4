import hashlib
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from evaluation.trained_run import open_run
from experiment.saved_run import is_run_folder
from lightning_modules.video_gan import VideoGAN
from tests.evaluation.runs import TINY_DEMO, built


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(trained_run, tmp_path / "run", symlinks=True))


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_the_weights_are_those_of_the_checkpoint_and_nothing_is_written(trained_run: Path) -> None:
    before = files(trained_run.parents[1])
    state = torch.random.get_rng_state()
    opened = open_run(trained_run)
    assert files(trained_run.parents[1]) == before
    assert torch.equal(torch.random.get_rng_state(), state)
    path = trained_run / "checkpoints/step-00000002.ckpt"
    saved = torch.load(path, weights_only=True)["state_dict"]
    loaded = {**opened.module.generator.state_dict(prefix="generator.")}
    loaded |= opened.module.generator_ema.state_dict(prefix="generator_ema.")
    assert loaded and all(torch.equal(value, saved[name]) for name, value in loaded.items())
    assert isinstance(opened.module, VideoGAN) and not opened.module.training
    assert (opened.step, opened.checkpoint) == (2, path.resolve())
    assert opened.identity == {
        "weights": "moving average",
        "truncation": 1.0,
        "conditions_on_clips": False,
        "checkpoint_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "step": 2,
    }
    assert opened.frame_stride == 1
    assert is_run_folder(trained_run) and not is_run_folder(trained_run.parent)


def test_latest_weights_instead_of_the_average(trained_run: Path) -> None:
    average, latest = open_run(trained_run), open_run(trained_run, ema=False)
    assert latest.module.sampling["weights"] == latest.identity["weights"] == "latest"
    latents = average.module.sample_latents(range(2), seed=0)
    assert not torch.equal(average.module.generate(2, latents), latest.module.generate(2, latents))
    generator = average.module.generator.eval()
    with torch.no_grad():
        assert torch.equal(latest.module.generate(2, latents), generator(latents).clamp(-1, 1))


def test_truncation(trained_run: Path) -> None:
    truncated = open_run(trained_run, truncation=0.5)
    assert truncated.identity["truncation"] == 0.5
    latents = truncated.module.sample_latents(range(2), seed=0)
    half = {name: value / 2 for name, value in latents.items()}
    assert torch.equal(truncated.module.generate(2, latents), open_run(trained_run).module.generate(2, half))
    with pytest.raises(ValueError, match="truncation is 2"):
        open_run(trained_run, truncation=2)


def test_the_checkpoint_is_a_choice(run: Path) -> None:
    last = run / "checkpoints/step-00000002.ckpt"
    (run / "checkpoints/best.ckpt").symlink_to(last.name)
    for choice in ("last", "best", last, str(last)):
        assert open_run(run, choice).checkpoint == last.resolve()
    other = run / "moved.ckpt"
    last.rename(other)
    assert open_run(run, other).step == 2
    with pytest.raises(
        FileNotFoundError, match=r"last\.ckpt: there is no such checkpoint; this run has no checkpoints"
    ):
        open_run(run)  # the link leads nowhere
    (run / "checkpoints/last.ckpt").unlink()
    other.rename(last)
    (run / "checkpoints/best.ckpt").unlink()
    with pytest.raises(FileNotFoundError, match=r"this run has step-00000002.ckpt; best.ckpt is kept where .*best_met"):
        open_run(run, "best")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ckpt: there is no such checkpoint; this run has step"):
        open_run(run, "nowhere.ckpt")


def test_what_is_wrong_with_a_run_is_one_line(run: Path, tmp_path: Path) -> None:
    def refused(expected: str, **arguments: object) -> None:
        with pytest.raises((ValueError, FileNotFoundError), match=expected) as raised:
            open_run(**{"folder": run, **arguments})
        assert "\n" not in str(raised.value)

    (tmp_path / "empty").mkdir()
    refused("nowhere: there is no such run folder", folder=tmp_path / "nowhere")
    refused("empty: is no folder of a run; there is no config.yaml", folder=tmp_path / "empty")
    config = yaml.safe_load((run / "config.yaml").read_text())
    for text, expected in (
        ("seed_everything: 0\n", "is not the config of a run; it has no model and data"),
        ("model: [1, 2\n", "there is no config.yaml that can be read"),
        (
            _changed(config, "class_path", "os.system"),
            "run: config.yaml: model.generator: os.system is not of a trusted package",
        ),
        (_changed(config, "class_path", "networks.compact.Gone"), r"model\.generator: .*Gone"),
        (_changed(config, "latent_dims", 3), "has no argument 'latent_dims'; did you mean 'latent_dim'"),
        (
            _changed(config, "base_channels", 8),
            r"is of another run, or the generator has changed since: .* is \(.*\) there and \(.*\) here",
        ),
    ):
        (run / "config.yaml").write_text(text)
        refused(expected)
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for content, expected in (
        ({"weights": torch.zeros(1)}, "is no checkpoint of a run; give a file of its checkpoints folder"),
        (torch.nn.Linear(1, 1), "cannot be read as a checkpoint"),
    ):
        torch.save(content, run / "other.ckpt")
        refused(expected, checkpoint=run / "other.ckpt")


def _changed(config: dict, key: str, value: object) -> str:
    """The config with another generator."""
    changed = yaml.safe_load(yaml.safe_dump(config))
    generator = changed["model"]["init_args"]["generator"]
    (generator if key == "class_path" else generator["init_args"])[key] = value
    return yaml.safe_dump(changed)


def test_the_data_of_a_run_when_it_is_needed(run: Path, video_folder: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["init_args"] |= {"root": str(tmp_path / "gone"), "frame_stride": 2, "skip_short_videos": True}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    opened = open_run(run)  # without its data
    assert opened.frame_stride == 2
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        opened.datamodule()
    data = opened.datamodule(root=str(video_folder))
    assert data.video_shape == (3, 8, 16, 16)
    assert data.class_names == ("bow", "wave")


def test_what_a_run_started_from_is_not_needed(tmp_path: Path, video_folder: Path, trained_run: Path) -> None:
    start = tmp_path / "start.ckpt"
    shutil.copy(trained_run / "checkpoints/last.ckpt", start)
    tuned = built(
        tmp_path / "runs", video_folder, *TINY_DEMO,
        "--model.fine_tuning.class_path", "lightning_modules.fine_tuning.FineTuning",
        "--model.fine_tuning.checkpoint", str(start),
    )  # fmt: skip
    assert "start.ckpt" in (tuned / "config.yaml").read_text()
    start.unlink()
    assert open_run(tuned).step == 7
