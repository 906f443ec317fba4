"""Measures protocols: each side's clips pass once through each feature network, divided over the processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from evaluation.feature_pass import Pass
from evaluation.processes import Processes
from evaluation.results import Outcome
from evaluation.sides import Side, common_size
from evaluation.video_source import Size
from metrics.clip_rules import ClipRule
from metrics.feature_network import FeatureNetwork
from metrics.protocols import Protocol
from metrics.resizing import Resize
from metrics.statistics_cache import StatisticsCache

# What decides which clips pass which network: protocols that agree in it share a pass.
PassKey = tuple[type[FeatureNetwork], Resize | None, int, int, int | None, ClipRule, ClipRule, int, bool]


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

    Raises: ValueError or OSError, in one line and before anything is computed, if something is missing.
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
        networks = {protocol.network.name for protocol in self.protocols}
        if unused := sorted(set(self.weights) - networks):
            used = ", ".join(sorted(networks)) or "no network"
            raise ValueError(f"a weight file of {unused[0]} is given, and what is measured uses {used}")
        self._networks: dict[tuple[type[FeatureNetwork], Resize | None], FeatureNetwork] = {}
        passes: dict[PassKey, list[Protocol]] = {}
        for protocol in self.protocols:
            passes.setdefault(pass_key(protocol), []).append(protocol)
        self.passes = [Pass(self, protocols) for protocols in passes.values()]

    def measure(self) -> Iterator[Outcome]:
        """What has come of each protocol, pass after pass; a collective call.

        A protocol that cannot be computed does not keep the others from it.
        """
        for each in self.passes:
            yield from each.measure()

    def network_of(self, protocol: Protocol) -> FeatureNetwork:
        """The network of a protocol, built once for all that use it so."""
        key = protocol.network, protocol.resize
        if key not in self._networks:
            self._networks[key] = protocol.build_network(weights=self.weights.get(protocol.network.name))
        return self._networks[key]

    def size_for(self, protocol: Protocol) -> Size:
        """(height, width) of both sides' clips.

        Raises: ValueError if nothing says it.
        """
        if protocol.frame_size is not None:
            return protocol.frame_size, protocol.frame_size
        return common_size(self.size, self.fake)


def pass_key(protocol: Protocol) -> PassKey:
    """See `PassKey`."""
    # A rule that repeats has no end: then one round is other clips than any number of them.
    one_round = protocol.estimator.needs_real and protocol.num_real is None and protocol.real_rule.repeats
    return (
        protocol.network,
        protocol.resize,
        protocol.num_frames,
        protocol.frame_stride,
        protocol.frame_size,
        protocol.real_rule,
        protocol.fake_rule,
        protocol.num_trials,
        one_round,
    )
