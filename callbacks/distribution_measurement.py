"""One measurement of FID and FVD: generated videos against fixed real clips, divided over the processes."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from callbacks.protocols import MakesVideos, ProvidesClips
from metrics.card import MetricCard
from metrics.feature_network import FeatureNetwork, fit_gaussians
from metrics.feature_statistics import Gaussian
from metrics.protocols import fid_key, fvd_key
from metrics.statistics_cache import StatisticsCache
from video_io.pixels import float_to_uint8, uint8_to_float

NUM_PROBED_CLIPS = 8


class DistributionMeasurement:
    """Measures FID and FVD of `maker` against clips of `data`; `DistributionMetrics` tells the protocol.

    Args:
        maker: generates the videos.
        data: provides the real clips.
        networks: the feature network of each metric that is measured, {"fid": ..., "fvd": ...} or one of them.
        num_videos: generated videos, and as many real clips.
        batch_size: videos generated at a time, real clips read at a time.
        split: of the real clips.
        seed: of the latents.

    Raises: ValueError or FileNotFoundError if data or networks cannot give what is needed.
    """

    def __init__(
        self,
        maker: MakesVideos,
        data: ProvidesClips,
        networks: dict[str, FeatureNetwork],
        num_videos: int,
        batch_size: int,
        split: str,
        seed: int,
    ) -> None:
        self.maker = maker
        self.data = data
        self.networks = networks
        self.num_videos = num_videos
        self.batch_size = batch_size
        self.split = split
        self.seed = seed
        self.clips: Dataset = data.evaluation_dataset(num_videos, split)
        self.keys = {metric: self._key(metric) for metric in networks}
        # A network serves all metrics that use it; looking at the digest also finds out that its weights are there.
        self._network_of = {(net.name, net.weights_sha256): net for net in networks.values()}
        self._real: dict[tuple[str, str], dict[str, Gaussian]] = {}
        num_frames = data.video_shape[1]
        for network in networks.values():
            if num_frames < network.min_frames:
                raise ValueError(
                    f"{network.name} needs clips of at least {network.min_frames} frames, the data gives {num_frames}; "
                    "use longer clips or another feature network"
                )

    def measure(self, device: torch.device, rank: int, world_size: int, step: int | None) -> list[MetricCard] | None:
        """One card a metric on rank 0, None on the others; all processes must call it.

        On a terminal a bar shows the time left where this takes more than a second.
        """
        passes = 2 * len(self._network_of) - len(self._real)
        num_own = sum(len(indices) for indices in self._own_batches(rank, world_size))
        hidden = None if rank == 0 else True  # None: shown on a terminal only
        title = " and ".join(self.networks).upper()
        with tqdm(desc=title, total=passes * num_own, unit="video", leave=False, delay=1, disable=hidden) as progress:
            generated = {}
            for name, network in self._network_of.items():
                own_batches = self._own_batches(rank, world_size)
                if name not in self._real:
                    self._real[name] = self._real_gaussians(network, own_batches, device, progress)
                generated[name] = fit_gaussians(network, self._generate(own_batches, device, progress), device)
        return [self._card(metric, generated, step) for metric in self.networks] if rank == 0 else None

    def _own_batches(self, rank: int, world_size: int) -> list[range]:
        """Whole batches, so that each goes through the networks alike for any number of processes."""
        starts = range(rank * self.batch_size, self.num_videos, world_size * self.batch_size)
        return [range(start, min(start + self.batch_size, self.num_videos)) for start in starts]

    def _generate(self, batches: list[range], device: torch.device, progress: tqdm) -> Iterator[Tensor]:
        """Batches of generated videos, (N, C, T, H, W) uint8.

        A last batch that is short is made with some videos before it: in batches of another size a generator may round
        differently.
        """
        labels_of_all = getattr(self.clips, "labels", None)
        for indices in batches:
            made = range(max(0, min(indices.start, self.num_videos - self.batch_size)), indices.stop)
            labels = None
            if labels_of_all is not None:
                labels = torch.as_tensor(labels_of_all[made.start : made.stop], device=device)
            clips = None
            if self.maker.conditions_on_clips:
                clips = uint8_to_float(torch.stack([self.clips[index]["clip"] for index in made]))
            latents = self.maker.sample_latents(made, self.seed)
            videos = self.maker.generate(len(made), latents=latents, labels=labels, clips=clips)
            yield float_to_uint8(videos[-len(indices) :])
            progress.update(len(indices))

    def _read(self, batches: list[range], progress: tqdm) -> Iterator[Tensor]:
        """Batches of real clips, (N, C, T, H, W) uint8."""
        for indices in batches:
            yield torch.stack([self.clips[index]["clip"] for index in indices])
            progress.update(len(indices))

    def _real_gaussians(
        self, network: FeatureNetwork, batches: list[range], device: torch.device, progress: tqdm
    ) -> dict[str, Gaussian]:
        """Statistics of the real clips, from the cache or computed."""
        identity = StatisticsCache.identity(network, **self.real_protocol)
        batches_read = self._read(batches, progress)
        kept = StatisticsCache().get(identity, lambda: {**fit_gaussians(network, batches_read, device)})
        return {name: each for name, each in kept.items() if isinstance(each, Gaussian)}

    @property
    def real_protocol(self) -> dict[str, Any]:
        """All that decides the real clips, in plain JSON values."""
        return {
            "real_fingerprint": self.data.fingerprint(self.split),
            "split": self.split,
            "num_clips": self.num_videos,
            "video_shape": list(self.data.video_shape),
            "fps": self.data.fps,
            "pixels": self._real_clips_sha256,
        }

    @cached_property
    def _real_clips_sha256(self) -> str:
        """The pixels of a few stand for what a datamodule may choose besides: seed, stride, cropping, scaling."""
        pixels = hashlib.sha256()
        for index in range(0, self.num_videos, max(1, self.num_videos // NUM_PROBED_CLIPS)):
            pixels.update(self.clips[index]["clip"].contiguous().numpy().tobytes())
        return pixels.hexdigest()

    def _card(self, metric: str, generated: dict[tuple[str, str], dict[str, Gaussian]], step: int | None) -> MetricCard:
        network = self.networks[metric]
        name = network.name, network.weights_sha256
        real, fake = self._real[name][metric], generated[name][metric]
        _, num_frames, height, width = self.data.video_shape
        return MetricCard(
            key=self.keys[metric],
            value=fake.distance(real),
            num_real=real.num_samples,
            num_fake=fake.num_samples,
            num_frames=num_frames,
            fps=self.data.fps,
            frame_size=(height, width),
            resize=network.resize,
            feature_network=network.name,
            weights_sha256=network.weights_sha256,
            real_fingerprint=self.data.fingerprint(self.split),
            real_split=self.split,
            real_clips_sha256=self._real_clips_sha256,
            seed=self.seed,
            sampling=dict(self.maker.sampling),
            step=step,
        )

    def _key(self, metric: str) -> str:
        num_frames, network = self.data.video_shape[1], self.networks[metric]
        if metric == "fid":
            key = fid_key(self.num_videos * num_frames, network)
        else:
            key = fvd_key(self.num_videos, num_frames, network)
        return key if self.split == "train" else f"{key}/{self.split}"
