import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from callbacks.distribution_metrics import DistributionMetrics
from metrics.card import MetricCard
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.frechet import frechet_distance
from tests.callbacks.fakes import SHAPE, ColourFeatures, TinyData, TinyModule, make_trainer
from video_io.pixels import float_to_uint8

FID, FVD = "fid36/colours", "fvd9_4f/colours"


def measuring(every_n_steps: int = 2, num_videos: int = 9, **more: Any) -> DistributionMetrics:
    network = ColourFeatures()
    return DistributionMetrics(
        every_n_steps, num_videos=num_videos, **{"fid_network": network, "fvd_network": network, **more}
    )


def fit(folder: Path, *callbacks: Callback, max_steps: int = 2, data: TinyData | None = None, **more: Any) -> Trainer:
    trainer = make_trainer(folder, *callbacks, max_steps=max_steps, **more)
    trainer.fit(TinyModule(), datamodule=data or TinyData())
    return trainer


def trainer_with(data: TinyData, folder: Path) -> Trainer:
    trainer = make_trainer(folder)
    trainer.datamodule = data  # type: ignore[attr-defined]
    return trainer


def cards(folder: Path, key: str) -> list[dict[str, Any]]:
    path = folder / "metrics" / f"{key.replace('/', '-')}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_values_are_the_distances_of_the_features(tmp_path: Path) -> None:
    module, data, network = TinyModule(), TinyData(), ColourFeatures()
    trainer = make_trainer(tmp_path, measuring(batch_size=4), max_steps=2)
    trainer.fit(module, datamodule=data)
    real = torch.stack([data.evaluation_dataset(9, "train")[index]["clip"] for index in range(9)])
    videos = module.generate(9, latents=module.sample_latents(range(9), 0))
    fake = (videos * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    for metric, key in (("fid", FID), ("fvd", FVD)):
        moments = []
        for clips in (fake, real):
            rows = network(clips)[metric].double()
            moments += [rows.mean(0), torch.cov(rows.T)]
        assert cards(tmp_path, key)[-1]["value"] == pytest.approx(frechet_distance(*moments), rel=1e-9)


def test_measures_every_n_steps_and_at_the_end(tmp_path: Path) -> None:
    fit(tmp_path, measuring(2), max_steps=5)
    assert [card["step"] for card in cards(tmp_path, FID)] == [2, 4, 5]
    assert [card["step"] for card in cards(tmp_path, FVD)] == [2, 4, 5]


def test_measures_after_the_first_step_when_asked(tmp_path: Path) -> None:
    fit(tmp_path, measuring(first_step=True), max_steps=4)
    assert [card["step"] for card in cards(tmp_path, FVD)] == [1, 2, 4]


def test_a_card_tells_the_protocol(tmp_path: Path) -> None:
    fit(tmp_path, measuring(seed=7))
    content = cards(tmp_path, FVD)[0]
    card = MetricCard(**{**content, "frame_size": tuple(content["frame_size"])})
    assert (card.key, card.num_real, card.num_fake, card.num_frames, card.fps) == (FVD, 9, 9, 4, 8.0)
    assert (card.frame_size, card.feature_network, card.seed, card.step) == ((8, 8), "colours", 7, 2)
    assert card.real_fingerprint == TinyData().fingerprint("train")
    assert card.sampling == TinyModule.sampling
    assert cards(tmp_path, FID)[0]["num_fake"] == 36


class SameVideos(TinyData):
    """Data whose seed chooses other clips of the same videos."""

    def fingerprint(self, split: str) -> str:
        return "0" * 64


def test_other_clips_of_the_same_videos_make_other_cards(tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        fit(tmp_path / name, measuring(), data=SameVideos(seed=seed))
    first, again, other = (MetricCard.from_dict(cards(tmp_path / name, FVD)[0]) for name in ("first", "again", "other"))
    assert first.differences(again) == []
    assert first.differences(other) == ["real_clips_sha256"]


def test_one_network_makes_one_pass_for_both_metrics_and_real_clips_are_measured_once(tmp_path: Path) -> None:
    callback = measuring(2)
    fit(tmp_path, callback, max_steps=4)
    network = callback.networks["fid"]
    assert isinstance(network, ColourFeatures)
    assert network.num_clips == 9 + 2 * 9


def test_two_networks_make_a_pass_each(tmp_path: Path) -> None:
    class Other(ColourFeatures):
        name = "others"

    other = Other()
    trainer = fit(tmp_path, measuring(2, fvd_network=other))
    assert {FID, "fvd9_4f/others"} <= trainer.callback_metrics.keys()
    assert other.num_clips == 18


def test_a_second_run_finds_the_real_statistics_in_the_cache(tmp_path: Path) -> None:
    for name in ("first", "second"):
        callback = measuring(2)
        fit(tmp_path / name, callback)
        network = callback.networks["fid"]
        assert isinstance(network, ColourFeatures)
        assert network.num_clips == (18 if name == "first" else 9)
    assert cards(tmp_path / "first", FID) == cards(tmp_path / "second", FID)


@pytest.mark.parametrize("change", ["seed", "shape", "number"])
def test_other_clips_have_other_statistics(tmp_path: Path, change: str) -> None:
    fit(tmp_path / "first", measuring(2))
    shape = (3, 5, 8, 8) if change == "shape" else SHAPE
    data = TinyData(shape=shape, seed=1 if change == "seed" else 0)
    callback = measuring(2, num_videos=10 if change == "number" else 9)
    trainer = make_trainer(tmp_path / "second", callback, max_steps=2)
    trainer.fit(TinyModule(shape), datamodule=data)
    assert len(list((tmp_path / "cache" / "statistics").iterdir())) == 2


@pytest.mark.parametrize("batch_size", [1, 2, 5, 9, 64])
def test_the_batch_size_does_not_change_the_numbers(tmp_path: Path, batch_size: int) -> None:
    fit(tmp_path / "three", measuring(batch_size=3))
    fit(tmp_path / "other", measuring(batch_size=batch_size))
    for key in (FID, FVD):
        expected = cards(tmp_path / "three", key)[0]["value"]
        assert cards(tmp_path / "other", key)[0]["value"] == pytest.approx(expected, rel=1e-9)


def test_the_seed_changes_the_generated_videos(tmp_path: Path) -> None:
    values = [float(fit(tmp_path, measuring(seed=seed)).callback_metrics[FID]) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_labels_of_the_real_clips_are_the_generated_videos_labels(tmp_path: Path) -> None:
    module = TinyModule()
    make_trainer(tmp_path, measuring(batch_size=4), max_steps=2).fit(module, datamodule=TinyData())
    labels = [labels.tolist() for _, labels in module.generated if labels is not None]
    assert labels == [[0, 1, 0, 1], [0, 1, 0, 1], [1, 0, 1, 0]]  # the last batch is filled up from the one before


def test_real_clips_are_the_conditions_of_the_videos_that_are_compared_with_them(tmp_path: Path) -> None:
    module, data = TinyModule(), TinyData()
    module.conditions_on_clips = True
    make_trainer(tmp_path, measuring(batch_size=4), max_steps=1).fit(module, datamodule=data)
    clips = torch.cat([clips for clips in module.conditions[:2] if clips is not None])
    real = data.evaluation_dataset(8, "train")
    assert torch.equal(float_to_uint8(clips), torch.stack([real[index]["clip"] for index in range(8)]))


def test_training_is_not_changed(tmp_path: Path) -> None:
    def state(*callbacks: Callback) -> list[Any]:
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        module = TinyModule()
        make_trainer(tmp_path, *callbacks, max_steps=2).fit(module, datamodule=TinyData())
        assert module.training and module.dropout.training
        return [module.brightness.item(), torch.rand(3).tolist(), np.random.rand(), random.random()]

    assert state(measuring(1)) == state()


def test_loggers_get_the_values_under_their_keys_at_their_step(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loggers = [CSVLogger(tmp_path, name="csv", version=""), TensorBoardLogger(tmp_path, name="board", version="")]
    fit(tmp_path, measuring(2), max_steps=4, logger=loggers)
    values = [card["value"] for card in cards(tmp_path, FVD)]
    scalars = EventAccumulator(str(tmp_path / "board")).Reload().Scalars(FVD)
    assert [scalar.step for scalar in scalars] == [2, 4]
    assert [scalar.value for scalar in scalars] == pytest.approx(values)
    lines = [line.split(",") for line in (tmp_path / "csv" / "metrics.csv").read_text().splitlines()]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    assert [(row["step"], float(row[FVD])) for row in rows if row[FVD]] == [("2", values[0]), ("4", values[1])]


def test_other_callbacks_can_use_the_values(tmp_path: Path) -> None:
    class Reader(Callback):
        seen: list[float] = []  # noqa: RUF012

        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
            self.seen.append(float(trainer.callback_metrics.get(FID, torch.nan)))

    trainer = fit(tmp_path, measuring(2), reader := Reader(), max_steps=4)
    first, second = (card["value"] for card in cards(tmp_path, FID))
    assert np.isnan(reader.seen[0]) and reader.seen[1:] == [first, first, second]
    assert trainer.callback_metrics[FVD].dtype == torch.float64


def test_says_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, measuring(2))
    value = cards(tmp_path, FID)[0]["value"]
    assert f"step 2: {FID} {value:.4g}, {FVD} " in capsys.readouterr().out


def test_efficientnet_is_the_default(tmp_path: Path) -> None:
    callback = DistributionMetrics(1, num_videos=2)
    assert callback.networks["fid"] is callback.networks["fvd"]
    assert isinstance(callback.networks["fid"], EfficientNetLite0)
    callback.setup(trainer_with(TinyData(), tmp_path), TinyModule(), "fit")
    assert callback.metric_keys == ("fid8/efficientnet_lite0", "fvd2_4f/efficientnet_lite0")


def test_the_validation_split_is_part_of_the_key(tmp_path: Path) -> None:
    class Data(TinyData):
        def evaluation_dataset(self, num_clips: int, split: str):  # type: ignore[no-untyped-def]
            return super().evaluation_dataset(num_clips, "train")

    trainer = fit(tmp_path, measuring(2, split="validation", metrics=["fvd"]), data=Data())
    assert [key for key in trainer.callback_metrics if key.startswith("f")] == [f"{FVD}/validation"]
    assert cards(tmp_path, f"{FVD}/validation")[0]["real_split"] == "validation"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["kid"]}, r"DistributionMetrics.metrics is \['kid'\]; it takes fid, fvd or both"),
        ({"metrics": []}, r"it takes fid, fvd or both"),
        ({"metrics": ["fid", "fid"]}, r"it takes fid, fvd or both"),
        ({"num_videos": 1}, r"DistributionMetrics.num_videos is 1; it must be at least 2"),
        ({"batch_size": 0}, r"DistributionMetrics.batch_size is 0; it must be at least 1"),
    ],
)
def test_refuses_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistributionMetrics(1, **arguments)


class LongOnly(ColourFeatures):
    min_frames = 5


class Missing(ColourFeatures):
    @property
    def weights_sha256(self) -> str:  # type: ignore[override]
        raise FileNotFoundError("No weight file x.pth. Download it.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "validation"}, r"^DistributionMetrics: the validation split is empty$"),
        (
            {"fvd_network": LongOnly()},
            r"^DistributionMetrics: colours needs clips of at least 5 frames, the data gives 4",
        ),
        ({"fvd_network": Missing()}, r"^DistributionMetrics: No weight file x.pth. Download it.$"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_first_step(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    module = TinyModule()
    with pytest.raises(Exception, match=message):
        make_trainer(tmp_path, measuring(1, **arguments)).fit(module, datamodule=TinyData())
    assert module.brightness.item() == 0


@pytest.mark.ddp
def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    environment["KINOGAN_CACHE"] = str(tmp_path / "cache of two")
    command = [sys.executable, __file__, str(tmp_path / "two")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    fit(tmp_path / "one", measuring(batch_size=2), max_steps=3)
    for key in (FID, FVD):
        one, two = cards(tmp_path / "one", key), cards(tmp_path / "two", key)
        assert [card["step"] for card in two] == [2, 3]
        for mine, theirs in zip(one, two, strict=True):
            assert theirs["value"] == pytest.approx(mine["value"], rel=1e-9)
            assert {**theirs, "value": 0} == {**mine, "value": 0}
        values = [json.loads((tmp_path / "two" / f"rank{rank}.json").read_text())[key] for rank in (0, 1)]
        assert values[0] == values[1] == two[-1]["value"]
    assert (tmp_path / "two" / "samples" / "step-00000003.mp4").is_file()
    assert (tmp_path / "two" / "checkpoints" / "best.ckpt").is_symlink()
    assert (tmp_path / "two" / "curves.png").is_file()


def main(folder: Path) -> None:
    """Train on two processes; the five batches of nine videos are divided three to two, the last one short."""
    from callbacks.checkpoints import Checkpoints
    from callbacks.curves import Curves
    from callbacks.sample_videos import SampleVideos
    from callbacks.throughput import Throughput

    torch.set_num_threads(1)
    others = SampleVideos(2), Curves(2), Throughput(), Checkpoints(2, best_metric="fvd")
    trainer = fit(
        folder, measuring(batch_size=2), *others, max_steps=3, strategy="ddp", devices=2, use_distributed_sampler=False
    )
    values = {key: float(trainer.callback_metrics[key]) for key in (FID, FVD)}
    (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(values))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
