"""Every YAML that ships builds; the small ones train two steps."""

from pathlib import Path

import pytest
from PIL import Image

from experiment.command_line import Experiment, build
from prepare import main as prepare
from tests.contracts.first_stage import first_stage, untrained_image_checkpoint
from video_io.writing import write_video

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "conf").glob("*.yaml"))
SMALL = sorted((ROOT / "conf" / "small").glob("*.yaml"))
PICTURES = ROOT / "conf" / "data" / "picture_folder.yaml"
PACK = ROOT / "conf" / "data" / "pack.yaml"
DATA = sorted(set((ROOT / "conf" / "data").glob("*.yaml")) - {PICTURES, PACK})
TRAINERS = sorted((ROOT / "conf" / "trainer").glob("*.yaml"))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two videos in a class folder, and the names that the Weizmann split holds out."""
    import torch

    held_out = (ROOT / "conf/data/weizmann_actions_validation.txt").read_text().split()
    for name in ["one/a.mp4", "one/b.mp4", *held_out]:
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, torch.randint(0, 255, (3, 20, 64, 64), dtype=torch.uint8), fps=25)
    return tmp_path / "videos"


@pytest.fixture(scope="module")
def image_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What conf/stylegan_image.yaml leaves, untrained."""
    return untrained_image_checkpoint(tmp_path_factory.mktemp("images"), ["--config", "conf/stylegan_image.yaml"])


def built(tmp_path: Path, *arguments: str) -> Experiment:
    return build([*arguments, "--runs_folder", str(tmp_path / "runs")])


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=names(EXPERIMENTS))
def test_every_experiment_builds(path: Path, tmp_path: Path, videos: Path, image_checkpoint: Path) -> None:
    arguments = ["--config", str(path), "--data.root", str(videos), "--trainer.accelerator", "cpu"]
    experiment = built(tmp_path, *arguments, *first_stage(path.stem, image_checkpoint))
    assert experiment.model.video_shape == experiment.datamodule.video_shape
    assert (experiment.run_folder / "config.yaml").read_text().startswith("# pytorch_lightning==")


def test_every_experiment_but_the_demo_has_a_small_variant() -> None:
    assert {path.stem for path in EXPERIMENTS} - {"demo"} == {path.stem for path in SMALL}


@pytest.mark.parametrize("path", DATA, ids=names(DATA))
@pytest.mark.parametrize("experiment", ["demo", "wgan_gp", "mocogan_categorical"])
def test_every_data_set_goes_with_experiments(path: Path, experiment: str, tmp_path: Path, videos: Path) -> None:
    small = ["--config", str(ROOT / "conf/small" / f"{experiment}.yaml")] if experiment != "demo" else []
    built_on = built(
        tmp_path, "--config", str(ROOT / "conf" / f"{experiment}.yaml"), *small, "--data", str(path),
        "--data.root", str(videos), "--trainer.accelerator", "cpu",
    )  # fmt: skip
    assert built_on.datamodule.num_videos("train") >= 2
    assert built_on.model.video_shape == built_on.datamodule.video_shape


def test_pictures_go_with_an_experiment_on_pictures(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / "pictures" / f"{number}.png")
    built_on = built(
        tmp_path, "--config", "conf/stylegan_image.yaml", "--data", str(PICTURES),
        "--data.root", str(tmp_path / "pictures"), "--trainer.accelerator", "cpu",
    )  # fmt: skip
    assert built_on.datamodule.num_videos("train") == 3
    assert built_on.model.video_shape == built_on.datamodule.video_shape == (3, 1, 64, 64)


@pytest.mark.parametrize("experiment", ["demo", "wgan_gp"])
def test_a_pack_goes_with_experiments(experiment: str, tmp_path: Path, videos: Path) -> None:
    assert prepare([str(videos), "--output", str(tmp_path / "pack"), "--processes", "1"]) == 0
    built_on = built(
        tmp_path, "--config", str(ROOT / "conf" / f"{experiment}.yaml"), "--data", str(PACK),
        "--data.root", str(tmp_path / "pack"), "--trainer.accelerator", "cpu",
    )  # fmt: skip
    assert built_on.datamodule.num_videos("train") >= 2
    assert built_on.model.video_shape == built_on.datamodule.video_shape


@pytest.mark.parametrize("path", [path for path in TRAINERS if path.stem != "gpu"], ids=lambda path: path.stem)
def test_every_trainer_builds(path: Path, tmp_path: Path, videos: Path) -> None:
    experiment = built(
        tmp_path, "--config", str(ROOT / "conf/demo.yaml"), "--config", str(path), "--data.root", str(videos)
    )
    assert experiment.trainer.num_devices == (2 if path.stem == "ddp" else 1)


def test_a_gpu_is_asked_for_where_there_is_none(tmp_path: Path, videos: Path) -> None:
    import torch

    from experiment.command_line import UserError

    arguments = ["--config", "conf/demo.yaml", "--config", "conf/trainer/gpu.yaml", "--data.root", str(videos)]
    if torch.cuda.is_available():
        assert built(tmp_path, *arguments).trainer.num_devices == 1
    else:
        with pytest.raises(UserError, match=r"(?i)gpu|cuda"):
            built(tmp_path, *arguments)
