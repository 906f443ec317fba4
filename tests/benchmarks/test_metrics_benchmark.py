import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks import metrics as benchmark
from benchmarks import metrics_networks, metrics_peer, metrics_training
from benchmarks.metrics_distance import distance_by_singular_values, distance_by_sqrtm, measure_distance, moments
from benchmarks.metrics_networks import difference, in_bfloat16, measure_network, pass_sizes, smooth_clips
from benchmarks.metrics_page import write_page
from benchmarks.metrics_timing import interleaved, machine, peak_mebibytes, speed_ratio, write_record
from benchmarks.metrics_training import Stopwatch, command_line, experiments, seconds_per_step
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.feature_network import FeatureNetwork
from metrics.frechet import frechet_distance


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Brightness(FeatureNetwork):
    """Means of the channels: a network that takes no time."""

    name = "brightness"
    num_features = {"fid": 3}  # noqa: RUF012
    resize = "none"

    def build(self) -> nn.Module:
        return nn.Conv2d(3, 3, 1)

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        return {"fid": network(self.resized_frames(clips)).mean(dim=(2, 3))}


# ---- timing ----


def test_variants_take_turns_and_the_first_turn_does_not_count() -> None:
    called: list[str] = []
    seconds = interleaved({name: lambda name=name: called.append(name) for name in "ab"}, repeats=2)
    assert called == ["a", "b"] * 3
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}
    interleaved({"c": lambda: called.append("c")}, repeats=1, warm_up=False)
    assert called.count("c") == 1


def test_a_ratio_is_of_neighbours_in_time() -> None:
    """A machine that is ten times as slow for a while changes times, and not ratios."""
    assert speed_ratio([1.0, 10.0, 1.0], [2.0, 20.0, 2.0]) == 2
    assert speed_ratio([2.0, 2.0], [1.0, 1.0]) == 0.5


def test_the_peak_of_memory_stays_when_the_memory_is_free_again() -> None:
    before = peak_mebibytes("cpu")
    mebibytes = int(before) + 50
    torch.ones(mebibytes, 2**18).sum()
    assert mebibytes <= peak_mebibytes("cpu") <= mebibytes + before + 50


# ---- networks ----


def test_passes_are_whole_clips_up_to_all_and_the_default() -> None:
    assert pass_sizes(4, Brightness(), torch.device("cpu")) == [16, 32, 64]
    assert pass_sizes(6, Brightness(), torch.device("cpu")) == [16, 32, 64]
    assert pass_sizes(1, Brightness(), torch.device("cuda")) == [16, 256]


def test_a_network_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(metrics_networks, "feature_network", lambda name, folder: Brightness())
    monkeypatch.setattr(metrics_networks, "peak_of_pass", lambda *_: 100.0)
    record = measure_network("brightness", smooth_clips(2, 8), 2, False, tmp_path)
    assert set(record["clips_per_second"]) == {"16", "32"}
    assert all(speed > 0 for speed in record["clips_per_second"].values())
    assert record["default_frames_per_pass"] == 16 and record["best_frames_per_pass"] in (16, 32)
    assert set(record["variants"]) == {"as it is", "channels first", "channels last", "bfloat16", "resize alone"}
    assert record["variants"]["as it is"]["speed_ratio"] == 1 and record["variants"]["as it is"]["difference"] == 0


def test_bfloat16_changes_features_a_little() -> None:
    clips = smooth_clips(2, 32)
    exact = EfficientNetLite0()(clips)
    assert 1e-4 < difference(exact, in_bfloat16(EfficientNetLite0(), clips.device)(clips)) < 0.3
    assert difference(exact, EfficientNetLite0()(clips)) == 0


def test_random_weights_load_as_the_published_ones_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = metrics_networks.feature_network("i3d_pretrained_400", tmp_path)
    assert metrics_networks.feature_network("i3d_pretrained_400", tmp_path).weights_sha256 == network.weights_sha256
    rows = network(smooth_clips(1, 32)[:, :, :9])["fvd"]
    assert rows.shape == (1, 400) and 0.01 < rows.std() < 100


# ---- distance ----


@pytest.mark.parametrize("num_samples", [40, 8])
def test_three_ways_to_the_same_distance(num_samples: int) -> None:
    real, fake = (torch.randn(num_samples, 16, dtype=torch.float64) + shift for shift in (0, 1))
    exact = distance_by_singular_values(real, fake)
    sides = [*moments(real), *moments(fake)]
    assert frechet_distance(*sides) == pytest.approx(exact, rel=1e-9)
    assert distance_by_sqrtm(*(each.numpy() for each in sides)) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("num_samples", [32, 4])
def test_a_distance_is_measured(num_samples: int) -> None:
    case = measure_distance(16, num_samples, 2, "cpu")
    assert case["agrees"] and case["difference_from_singular_values"]["frechet_distance"] < 1e-9
    assert case["speed_ratio"] > 0 and case["seconds_with_interval"] > 0


# ---- the peer ----


@pytest.fixture
def fidelity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that cannot be imported as a whole, as torch-fidelity without torchvision, but for one module."""
    folder = tmp_path / "torch_fidelity"
    folder.mkdir()
    (folder / "__init__.py").write_text("import a_package_that_nobody_has")
    (folder / "feature_extractor_inceptionv3.py").write_text(
        "import torch\n"
        "class FeatureExtractorInceptionV3(torch.nn.Module):\n"
        "    def __init__(self, name, features_list, feature_extractor_weights_path):\n"
        "        super().__init__()\n"
        "        self.features_list = features_list\n"
        "    def forward(self, x):\n"
        "        rows = x.float().mean(dim=(2, 3))\n"
        "        return tuple(rows * (1 + k) for k in range(len(self.features_list)))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch_fidelity"]:
        del sys.modules[name]


def test_the_peer_is_imported_without_the_rest_of_its_package(fidelity: Path) -> None:
    assert metrics_peer.peer_is_installed()
    extractor = metrics_peer.peer_extractor(Path("weights.pth"))
    images = smooth_clips(1, 8).transpose(1, 2)[0]
    rows = metrics_peer.peer_features(extractor, images, batch_size=5)
    torch.testing.assert_close(rows["logits_unbiased"], 2 * images.float().mean(dim=(2, 3)))
    assert metrics_peer.peer_is_installed()


def test_the_peer_is_compared_with(fidelity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Alike(Brightness):
        num_features = {"fid": 3, "is": 3}  # noqa: RUF012
        weight_file = SimpleNamespace(file_name="weights.pth")

        def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
            rows = clips[:, :, 0].float().mean(dim=(2, 3))
            return {"fid": rows, "is": 2 * rows}

    monkeypatch.setattr(metrics_peer, "feature_network", lambda name, folder: Alike())
    record = metrics_peer.measure_peer(8, 32, 1, "cpu", fidelity)
    assert list(record["batches"]) == ["16", "32"] and record["num_images"] == 32
    assert record["agrees"] and record["largest_difference"] < 1e-3
    assert record["batches"]["16"]["ratio_to_peer"] > 0


# ---- training ----


def test_every_small_experiment_and_the_demo_are_measured() -> None:
    assert {"demo", "vgan", "stylegan_image", "mocogan_hd"} <= set(experiments())
    given = command_line("vgan", "small", "", None, "cpu", Path("runs"))
    configs = [Path(given[place + 1]).parts[-2:] for place, argument in enumerate(given) if argument == "--config"]
    assert configs == [("conf", "vgan.yaml"), ("small", "vgan.yaml")]
    given = command_line("vgan", "full", "d.yaml", "videos", "cuda", Path("runs"))
    configs = [Path(given[place + 1]).parts[-2:] for place, argument in enumerate(given) if argument == "--config"]
    assert configs == [("conf", "vgan.yaml"), ("trainer", "gpu.yaml")]
    assert given[given.index("--data.root") + 1] == "videos"


def test_a_step_is_the_mean_of_a_cycle_of_updates() -> None:
    """The generator's turn comes on one step of two."""
    assert seconds_per_step([1.0, 3.0, 1.0, 3.0, 1.0, 30.0], cycle=2) == 2
    assert seconds_per_step([1.0, 2.0, 9.0], cycle=1) == 2


def test_the_stopwatch_measures_between_steps_and_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    measurement = SimpleNamespace(measure=lambda device, rank, world_size, step: measured.append(step))
    monkeypatch.setattr(metrics_training, "ready_measurement", lambda experiment, metrics: measurement)
    stopwatch = Stopwatch(None, None, num_warm_up_steps=2, num_steps=3)  # type: ignore[arg-type]
    trainer: Any = SimpleNamespace(global_step=0, should_stop=False)
    module: Any = SimpleNamespace(device=torch.device("cpu"))
    stopwatch.on_train_start(trainer, module)
    while not trainer.should_stop:
        trainer.global_step += 1
        stopwatch.on_train_batch_end(trainer, module, None, None, 0)
    assert (trainer.global_step, measured, len(stopwatch.seconds_of_steps)) == (8, [5], 6)
    assert stopwatch.seconds_of_measurement > 0


# ---- the command and the page ----


def records() -> dict[str, dict[str, Any]]:
    here = machine("cpu")
    variants = {
        "as it is": {"speed_ratio": 1.0, "difference": 0.0},
        "bfloat16": {"speed_ratio": 2.5, "difference": 0.012},
        "resize alone": {"speed_ratio": 25.0, "difference": None},
    }
    network = {
        "clips_per_second": {"16": 2.0, "32": 2.5}, "default_frames_per_pass": 16, "best_frames_per_pass": 32,
        "default_over_best": 0.8, "variants": variants, "peak_mebibytes": {"16": 300.0, "32": 400.0},
    }  # fmt: skip
    ways = ("frechet_distance", "scipy's sqrtm")
    case = {
        "dimension": 400, "num_samples": 800, "seconds": dict(zip(ways, (0.01, 0.08), strict=True)),
        "speed_ratio": 8.0, "difference_from_singular_values": dict(zip(ways, (1e-12, 1e-9), strict=True)),
        "difference": 1e-9, "agrees": True, "sqrtm_agrees": True, "seconds_with_interval": 0.5,
    }  # fmt: skip
    batch = {"own_images_per_second": 30.0, "peer_images_per_second": 20.0, "ratio_to_peer": 1.5}
    experiment = {
        "video_shape": [3, 16, 32, 32], "batch_size": 16, "seconds_per_step": 0.2, "num_videos": 256,
        "seconds_per_measurement": 8.0, "every_n_steps": 1000, "share": 0.04, "steps_for_allowed_share": 800.0,
    }  # fmt: skip
    slow = {**experiment, "share": 0.123, "steps_for_allowed_share": 2460.0}
    return {
        "networks": {"machine": here, "frame_size": 64, "num_clips": 2, "networks": {"i3d": network}},
        "distance": {"machine": here, "cases": [case]},
        "peer": {
            "machine": here, "frame_size": 64, "num_images": 64, "batches": {"16": batch},
            "largest_difference": 2e-6, "agrees": True,
        },
        "training": {
            "machine": here, "scale": "small",
            "experiments": {"vgan": experiment, "tgan": slow, "odd": {"not_measured": "it has no clips"}},
        },
    }  # fmt: skip


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    for part, record in records().items():
        write_record(tmp_path / f"{part}.json", record)
    assert write_page(tmp_path, tmp_path / "docs" / "page.md").endswith("networks, distance, peer, training")
    page = (tmp_path / "docs" / "page.md").read_text()
    for line in (
        "| i3d | **2.00** | 2.50 | 0.80 |",
        "| i3d | 2.50 (0.01) | 4 % |",
        "| i3d | 300 (16) | 400 (32) |",
        "| 400 | 800 | 0.010 | 0.080 | 8.0 | 1e-12 | 1e-09 | 0.5 |",
        "Ours are within 1e-6 of the singular values' distance in every case.",
        "| 16 | 30.0 | 20.0 | 1.50 |",
        "| [tgan](../conf/tgan.yaml) | 16x32x32 | 16 | 0.200 | 8.0 | 1000 | **12.3 %** | 2460 |",
        "| [vgan](../conf/vgan.yaml) | 16x32x32 | 16 | 0.200 | 8.0 | 1000 | 4 % | 800 |",
        "Above 5 %: tgan.",
        "Not measured: odd: it has no clips.",
    ):
        assert line in page.splitlines(), line
    assert page.index("[tgan]") < page.index("[vgan]")


def test_the_page_says_what_disagrees_and_what_is_missing(tmp_path: Path) -> None:
    record = records()["distance"]
    record["cases"][0]["agrees"] = False
    write_record(tmp_path / "distance.json", record)
    write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "**Ours are NOT within 1e-6" in page and page.count("Not measured.") == 3
    with pytest.raises(SystemExit, match="there are no results in"):
        write_page(tmp_path / "nothing", tmp_path / "page.md")


def test_parts_are_kept_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = records()
    monkeypatch.setattr(benchmark, "measure_distances", lambda *_: made["distance"])
    monkeypatch.setattr(benchmark, "measure_training", lambda *_: made["training"])
    page = tmp_path / "page.md"
    output = ["--output", str(tmp_path)]
    assert benchmark.main([*output, "--parts", "distance"]) == 0
    assert benchmark.main([*output, "--parts", "training", "--document", str(page)]) == 0
    assert {path.name for path in tmp_path.glob("*.json")} == {"distance.json", "training.json"}
    page.unlink()
    assert benchmark.main([*output, "--parts", "--document", str(page)]) == 0
    assert "| 400 | 800 |" in page.read_text()


def test_mistakes_are_found_before_anything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_peer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"^metrics: --peers compares with torch-fidelity, which is not installed"):
        benchmark.main(["--output", str(tmp_path), "--peers"])
    with pytest.raises(SystemExit, match=r"^metrics: --device nonsense cannot be used: "):
        benchmark.main(["--output", str(tmp_path), "--device", "nonsense"])
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit, match=r"^metrics: --device cuda cannot be used: "):
            benchmark.main(["--output", str(tmp_path), "--device", "cuda"])
    assert not list(tmp_path.iterdir())


def test_experiments_that_are_measured_again_stand_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    first = {"machine": {}, "experiments": {"demo": {"share": 0.1}, "vgan": {"share": 0.2}}}
    assert benchmark.with_others(first, path) == first
    path.write_text(json.dumps(first))
    again = benchmark.with_others({"machine": {}, "experiments": {"vgan": {"share": 0.3}}}, path)
    assert again == {**first, "experiments": {"demo": {"share": 0.1}, "vgan": {"share": 0.3}}, "again": ["vgan"]}
