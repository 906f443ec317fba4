from pathlib import Path

import pytest
import yaml

from datamodules.video_folder import VideoFolder
from experiment.one_line import UserError
from experiment.saved_run import build_datamodule, build_model, is_run_folder, read_config
from lightning_modules.video_gan import VideoGAN

DEMO = Path(__file__).parents[2] / "conf" / "demo.yaml"


@pytest.fixture
def config() -> dict:
    """As a run saves it: nothing refers to anything else."""
    text = DEMO.read_text().replace("${data.init_args.num_frames}", "16").replace("${data.init_args.size}", "32")
    return yaml.safe_load(text.replace("${seed_everything}", "0"))


def test_model_and_data_without_anything_else(config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = build_model(config)
    assert isinstance(model, VideoGAN)
    assert model.video_shape == (3, 16, 32, 32)
    assert model.objective.terms["r1"].weight == 30
    data = build_datamodule(config, root="elsewhere")
    assert isinstance(data, VideoFolder)
    assert (data.root, data.batch_size) == ("elsewhere", 8)
    assert not list(tmp_path.iterdir())


def test_a_config_runs_no_code(config: dict) -> None:
    config["model"]["init_args"]["objective"] = {"class_path": "payload.Thing"}
    with pytest.raises(
        UserError, match=r"model.objective: payload.Thing is not of a trusted .* --allow_package payload"
    ):
        build_model(config)


def test_a_config_calls_no_function(config: dict, tmp_path: Path) -> None:
    (tmp_path / "hubconf.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()\ndef x(): pass\n")
    arguments = {"repo_or_dir": str(tmp_path), "model": "x", "source": "local"}
    config["model"]["init_args"]["generator_optimizer"] = {"class_path": "torch.hub.load", "init_args": arguments}
    with pytest.raises(UserError, match=r"torch.hub.load is not of a trusted package"):
        build_model(config)
    ours = {"class_path": "metrics.weights.load_weights", "init_args": {"path": "x"}}
    config["model"]["init_args"]["generator_optimizer"] = ours
    with pytest.raises(UserError, match=r"metrics.weights.load_weights is no class"):
        build_model(config)
    assert not (tmp_path / "executed").exists()


def test_a_class_that_has_gone_is_one_line(config: dict) -> None:
    config["data"]["class_path"] = "datamodules.gone.Gone"
    with pytest.raises(UserError, match=r"config\.yaml: data: .*gone") as raised:
        build_datamodule(config)
    assert "\n" not in str(raised.value)


def test_what_is_a_run_folder(tmp_path: Path) -> None:
    assert not is_run_folder(tmp_path / "nowhere")
    (tmp_path / "config.yaml").write_text("model: 1\n")
    assert not is_run_folder(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    assert is_run_folder(tmp_path)
    with pytest.raises(UserError, match="is not the config of a run"):
        read_config(tmp_path)
    with pytest.raises(UserError, match="there is no such run folder"):
        read_config(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"a: [1", b"a: !!timestamp x", b"a: !!int x", b"a: \xff", b"a: " + b"[" * 9999])
def test_a_stranger_s_config_that_is_no_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"there is no config\.yaml that can be read"):
        read_config(tmp_path)
