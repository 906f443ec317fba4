"""Measures protocols: each side's clips pass once through each feature network, divided over the processes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed
from torch import Tensor
from torchmetrics import Metric
from tqdm import tqdm

from evaluation.card_making import cards_of
from evaluation.sides import NumberedClips, Side
from evaluation.video_source import Size
from metrics.card import MetricCard
from metrics.clip_rules import ClipRule
from metrics.estimators import Estimate, Sizes
from metrics.feature_network import FeatureNetwork
from metrics.protocols import Protocol
from metrics.resizing import Resize
from metrics.statistics_cache import StatisticsCache

WORDS = {"fid": "features of frames", "fvd": "features of clips", "is": "logits"}
# What decides which clips pass which network: protocols that agree in it share a pass.
PassKey = tuple[type[FeatureNetwork], Resize | None, int, int, int | None, ClipRule, ClipRule, int]


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is."""

    rank: int = 0
    world_size: int = 1

    @classmethod
    def running(cls) -> "Processes":
        """Those of torch.distributed."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return cls()


@dataclass
class FeatureMeasurement:
    """Measures protocols of feature networks.

    Args:
        real, fake: the sides; `real` may be None where no protocol needs it.
        protocols: what to measure, each once.
        seed: of what is drawn: clips, latents.
        device: where networks and distances are computed.
        size: (height, width) that clips of files are brought to; None: as the fake ones, if all are of one size.
        weights: paths of weight files, by the network's name, where the usual places are not right.
        processes: that divide the work.
        cache: of what is kept of the real side.

    Raises: ValueError or FileNotFoundError, in one line and before anything is computed, if something is missing.
    """

    real: Side | None
    fake: Side
    protocols: Sequence[Protocol]
    seed: int = 0
    device: torch.device | str = "cpu"
    size: Size | None = None
    weights: dict[str, str] = field(default_factory=dict)
    processes: Processes = field(default_factory=Processes.running)
    cache: StatisticsCache = field(default_factory=StatisticsCache)

    def __post_init__(self) -> None:
        self.device = torch.device(self.device)
        passes: dict[PassKey, list[Protocol]] = {}
        for protocol in self.protocols:
            passes.setdefault(pass_key(protocol), []).append(protocol)
        self.passes = [Pass(self, protocols) for protocols in passes.values()]

    def measure(self) -> list[MetricCard]:
        """The cards, in the order of the protocols; a collective call, with an answer on the first process."""
        cards = {protocol: cards for each in self.passes for protocol, cards in each.measure().items()}
        return [card for protocol in self.protocols for card in cards.get(protocol.name, [])]

    def size_for(self, protocol: Protocol) -> Size:
        """(height, width) of both sides' clips.

        Raises: ValueError if nothing says it.
        """
        if protocol.frame_size is not None:
            return protocol.frame_size, protocol.frame_size
        size = self.size or self.fake.frame_size
        if size is None:
            raise ValueError("the fake videos are of several sizes; say with --size to which to bring them")
        return size


def pass_key(protocol: Protocol) -> PassKey:
    """See `PassKey`."""
    return (
        protocol.network,
        protocol.resize,
        protocol.num_frames,
        protocol.frame_stride,
        protocol.frame_size,
        protocol.real_rule,
        protocol.fake_rule,
        protocol.num_trials,
    )


class Pass:
    """Protocols that share network and clips.

    Args:
        measurement: that it belongs to.
        protocols: of one `PassKey`.

    Raises: as `FeatureMeasurement`.
    """

    def __init__(self, measurement: FeatureMeasurement, protocols: Sequence[Protocol]) -> None:
        self.measurement = measurement
        self.protocols = protocols
        self.first = protocols[0]
        self.network = self.first.build_network(weights=measurement.weights.get(self.first.network.name))
        for protocol in protocols:
            self._check(protocol)
        assert self.network.weights_sha256  # finds the weights
        self.clips(trial=0)
        self.summaries_of: dict[str, tuple[Any, Any]] = {}  # by the protocol's name, fake and real; after `measure`

    def _check(self, protocol: Protocol) -> None:
        network, wanted = self.network, protocol.estimator.features
        if wanted not in network.num_features:
            offered = " and ".join(WORDS[each] for each in network.num_features)
            raise ValueError(f"{protocol.name}: {network.name} has {offered}, no {WORDS[wanted]}; take another network")
        least, most = network.min_frames, network.max_frames
        if protocol.num_frames < least or (most is not None and protocol.num_frames > most):
            wanted_length = f"{least} frames or more" if most is None else f"{least} to {most} frames"
            raise ValueError(f"{protocol.name}: {network.name} takes clips of {wanted_length}")
        if protocol.estimator.needs_real and self.measurement.real is None:
            raise ValueError(f"{protocol.name} compares with real videos; give them with --real")

    def clips(self, trial: int) -> tuple[NumberedClips | None, NumberedClips]:
        """The real and the fake clips, enough for all protocols.

        Raises: ValueError if there are too few.
        """
        asked, first = self.measurement, self.first
        shape = first.num_frames, first.frame_stride, asked.seed + trial, asked.size_for(first)
        real = None
        if asked.real is not None:
            counts = [protocol.num_real for protocol in self.protocols]
            most = None if None in counts else max(count for count in counts if count is not None)
            real = asked.real.clips(first.real_rule, most, *shape)
        num_fake = max(protocol.num_clips for protocol in self.protocols)
        fake = asked.fake.clips(first.fake_rule, num_fake, *shape, partners=real)
        for protocol in self.protocols:
            if len(fake) < protocol.num_clips:
                raise ValueError(
                    f"{protocol.name} is of {protocol.num_clips} clips, and there are {len(fake)} long enough in "
                    f"{asked.fake.description}; make more, or ask for another count"
                )
        return real, fake

    def measure(self) -> dict[str, list[MetricCard]]:
        """Cards by the protocol's name; none but on the first process."""
        trials: list[dict[str, dict[str, Estimate]]] = []
        real = fake = None
        for trial in range(self.first.num_trials):
            real, fake = self.clips(trial)
            of_real = self._real_summaries(real, trial)
            of_fake = self.summaries({each.name: each.num_clips for each in self.protocols}, fake, is_real=False)
            self.summaries_of = {each.name: (of_fake[each.name], of_real.get(each.name)) for each in self.protocols}
            if self.measurement.processes.rank == 0:
                trials.append({each.name: self._estimates(each, of_fake, of_real) for each in self.protocols})
        if not trials:
            return {}
        return {
            each.name: cards_of(self, each, [trial[each.name] for trial in trials], self.num_real(each, real))
            for each in self.protocols
        }

    def _estimates(self, protocol: Protocol, of_fake: dict[str, Any], of_real: dict[str, Any]) -> dict[str, Estimate]:
        try:
            return protocol.estimator.estimates(
                of_fake[protocol.name],
                of_real.get(protocol.name),
                self.rows_per_clip(protocol),
                torch.device(self.measurement.device),
            )
        except ValueError as error:
            raise ValueError(f"{protocol.name}: {error}") from error

    def rows_per_clip(self, protocol: Protocol) -> int:
        """How many rows of features a clip gives."""
        features = protocol.estimator.features
        of_frames = features == "fid" or (features == "is" and self.network.logits_of == "frames")
        return protocol.num_frames if of_frames else 1

    def num_real(self, protocol: Protocol, real: NumberedClips | None) -> int:
        """Real clips that a protocol takes, of those that there are."""
        if real is None or not protocol.estimator.needs_real:
            return 0
        return min(len(real), protocol.num_real or len(real))

    def _real_summaries(self, real: NumberedClips | None, trial: int) -> dict[str, Any]:
        """By the protocol's name, from the cache where they are there; what is not, together in one pass."""
        wanted = {each.name: self.num_real(each, real) for each in self.protocols if each.estimator.needs_real}
        if real is None or not wanted:
            return {}
        cache = self.measurement.cache
        identities = {each.name: self._identity(each, real, trial) for each in self.protocols if each.name in wanted}
        kept = {name: cache.find(identity) for name, identity in identities.items()}
        missing = {name: count for name, count in wanted.items() if kept[name] is None}
        found = {name: each["real"] for name, each in kept.items() if each is not None}
        for name, summary in self.summaries(missing, real, is_real=True).items():
            cache.keep(identities[name], {"real": summary})
            found[name] = summary
        return found

    def _identity(self, protocol: Protocol, real: NumberedClips, trial: int) -> dict[str, Any]:
        """All that decides what is kept of the real side."""
        side = self.measurement.real
        assert side is not None
        return StatisticsCache.identity(
            self.network,
            kind=protocol.estimator.real_kind(),
            fingerprint=side.fingerprint,
            sampling=side.sampling,
            own_stride=getattr(side, "frame_stride", 1),
            rule=protocol.real_rule.as_dict(),
            num_clips=self.num_real(protocol, real),
            num_frames=protocol.num_frames,
            frame_stride=protocol.frame_stride,
            seed=self.measurement.seed + trial,
            size=list(self.measurement.size_for(protocol)),
        )

    def summaries(self, wanted: dict[str, int], clips: NumberedClips, is_real: bool) -> dict[str, Any]:
        """One pass of clips through the network; each protocol takes the first so many of them."""
        if not wanted:
            return {}
        protocols = {each.name: each for each in self.protocols if each.name in wanted}
        accumulators = {
            name: self._accumulator(protocol, wanted[name], is_real) for name, protocol in protocols.items()
        }
        processes, most = self.measurement.processes, max(wanted.values())
        batches = [batch for batch in clips.own_batches(processes.rank, processes.world_size) if batch.start < most]
        for batch, part in zip(batches, self._shown(clips, batches, is_real), strict=True):
            rows = self.network(part.to(self.measurement.device))
            for name, protocol in protocols.items():
                features, per_clip = rows[protocol.estimator.features], self.rows_per_clip(protocol)
                numbers = torch.arange(batch.start * per_clip, batch.stop * per_clip)
                used = numbers < wanted[name] * per_clip
                protocol.estimator.add(
                    accumulators[name], features[used.to(features.device)], numbers[used] // per_clip, numbers[used]
                )
        return {name: protocol.estimator.summary(accumulators[name], is_real) for name, protocol in protocols.items()}

    def _accumulator(self, protocol: Protocol, num_clips: int, is_real: bool) -> Metric:
        num_features = self.network.num_features[protocol.estimator.features]
        sizes = Sizes(num_features, num_clips, self.rows_per_clip(protocol))
        device = torch.device(self.measurement.device)
        # Where processes talk by NCCL, what they add up must be on their GPUs; Apple's have no float64.
        return protocol.estimator.accumulator(sizes, is_real).to(device if device.type == "cuda" else "cpu")

    def _shown(self, clips: NumberedClips, batches: Sequence[range], is_real: bool) -> Iterable[Tensor]:
        """The clips, with a bar of the time left on the first process's terminal."""
        title = f"{'real' if is_real else 'fake'} clips, {self.network.name}"
        hidden = None if self.measurement.processes.rank == 0 else True  # None: shown on a terminal only
        with tqdm(desc=title, total=sum(map(len, batches)), unit="clip", disable=hidden, leave=False) as progress:
            for batch, part in zip(batches, clips.read(batches), strict=True):
                yield part
                progress.update(len(batch))
