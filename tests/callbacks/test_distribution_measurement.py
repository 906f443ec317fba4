"""With the networks of the demo: what is the same for any number of processes and any batch size."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch.utils.data import Dataset

from callbacks.distribution_measurement import DistributionMeasurement
from lightning_modules.video_gan import VideoGAN
from losses.wgan_gp import WGANGP
from metrics.efficientnet_lite import EfficientNetLite0
from networks.compact import CompactDiscriminator, CompactGenerator
from tests.callbacks.fakes import TinyData
from video_io.pixels import float_to_uint8

NUM_VIDEOS = 11
BATCH_SIZES = (5, 16)


class GeneratedClips(Dataset):
    """Real clips as like the generator's as can be, for a small distance shows every difference."""

    def __init__(self, maker: VideoGAN, num_clips: int) -> None:
        self.clips = float_to_uint8(maker.generate(num_clips, maker.sample_latents(range(num_clips), seed=1)))

    def __getitem__(self, index: int) -> dict[str, object]:
        return {"clip": self.clips[index], "label": 0}


class Data(TinyData):
    def __init__(self, maker: VideoGAN) -> None:
        super().__init__(maker.video_shape)
        self.maker = maker

    def evaluation_dataset(self, num_clips: int, split: str) -> GeneratedClips:  # type: ignore[override]
        return GeneratedClips(self.maker, num_clips)


def maker() -> VideoGAN:
    """The compact generator with random weights and the batch statistics that belong to them."""
    torch.manual_seed(0)
    generator = CompactGenerator(num_frames=8)
    for step in range(5):
        generator(generator.sample_latents(8, torch.Generator().manual_seed(step)))
    optimizer = partial(torch.optim.Adam, lr=1e-3)
    return VideoGAN(generator.eval(), CompactDiscriminator(num_frames=8), WGANGP(), optimizer, optimizer)


def measure(batch_size: int, rank: int = 0, world_size: int = 1) -> dict[str, float]:
    """The values by key; none on the second process."""
    network, module = EfficientNetLite0(), maker()
    networks = {"fid": network, "fvd": network}
    measurement = DistributionMeasurement(module, Data(module), networks, NUM_VIDEOS, batch_size, "train", seed=0)  # type: ignore[arg-type]
    cards = measurement.measure(torch.device("cpu"), rank, world_size, step=None)
    return {card.key: card.value for card in cards or []}


def measure_all(folder: str, rank: int = 0, world_size: int = 1) -> dict[int, dict[str, float]]:
    """By batch size; each measures anew, real clips included."""
    values = {}
    for batch_size in BATCH_SIZES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KINOGAN_CACHE", f"{folder}/cache {world_size} {batch_size}")
            values[batch_size] = measure(batch_size, rank, world_size)
    return values


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(measure_all(folder, rank, world_size=2), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as each of two processes has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.ddp
@pytest.mark.usefixtures("one_thread")
def test_neither_processes_nor_batches_change_the_numbers(tmp_path: Path) -> None:
    """On one process and on two, the second of which has no videos when 16 make a batch."""
    torch.multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    two, nothing = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    one = measure_all(str(tmp_path))
    assert set(one[5]) == {"fid88/efficientnet_lite0", "fvd11_8f/efficientnet_lite0"}
    for batch_size in BATCH_SIZES:
        assert two[batch_size] == pytest.approx(one[batch_size], rel=1e-9)
        assert nothing[batch_size] == {}
    assert one[5] == pytest.approx(one[16], rel=1e-6)
