"""One pass of both sides' clips through a feature network, for all protocols that share it."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from tqdm import tqdm

from evaluation.card_making import cards_of
from evaluation.processes import MISTAKES, one_line
from evaluation.results import Outcome
from evaluation.sides import NumberedClips
from metrics.clip_rules import VIDEO_UNIFORM
from metrics.estimators import Estimate, Sizes
from metrics.protocols import Protocol
from metrics.statistics_cache import StatisticsCache

if TYPE_CHECKING:
    from evaluation.measuring import FeatureMeasurement

WORDS = {"fid": "features of frames", "fvd": "features of clips", "is": "logits"}


class Kept(NamedTuple):
    """What is kept of a side: which sums or rows, of how many clips; protocols that keep the same share it."""

    kind: str
    num_clips: int


class Pass:
    """Protocols that share network and clips.

    Args:
        measurement: that it belongs to.
        protocols: of one `PassKey`.

    Raises: as `FeatureMeasurement`.
    """

    def __init__(self, measurement: "FeatureMeasurement", protocols: Sequence[Protocol]) -> None:
        self.measurement = measurement
        self.protocols = protocols
        self.first = protocols[0]
        self.network = measurement.network_of(self.first)
        for protocol in protocols:
            self._check(protocol)
        try:
            clips = self.clips(trial=0)
            _ = self.network.weights_sha256  # finds the file, or downloads it
        except (ValueError, OSError) as error:
            raise ValueError(f"{self.first.name}: {error}") from error
        self._check_counts(*clips)
        if measurement.real is not None:
            _ = measurement.real.fingerprint  # reads the videos that have changed
        self.rows: dict[str, tuple[Tensor, Tensor]] = {}  # fake and real, of protocols that keep rows; after `measure`

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

    def _check_counts(self, real: NumberedClips | None, fake: NumberedClips) -> None:
        for protocol in self.protocols:
            if len(fake) < protocol.num_clips:
                raise ValueError(
                    f"{protocol.name} is of {protocol.num_clips} clips, and there are {len(fake)} long enough in "
                    f"{self.measurement.fake.description}; make more, or ask for another count"
                )
            counts = {"fake": protocol.num_clips}
            if protocol.estimator.needs_real:
                counts["real"] = self.num_real(protocol, real)
            for side, count in counts.items():
                rows, least = count * self.rows_per_clip(protocol), protocol.estimator.least_rows
                if rows < least:
                    what = "frames" if self.rows_per_clip(protocol) > 1 else "clips"
                    raise ValueError(f"{protocol.name} needs at least {least} {side} {what}, and there are {rows}")

    def clips(self, trial: int) -> tuple[NumberedClips | None, NumberedClips]:
        """The real clips, where a protocol needs them, and the fake ones, enough for all protocols.

        Raises: ValueError if there are none.
        """
        asked, first = self.measurement, self.first
        seed, size = asked.seed + trial, asked.size_for(first)
        shape = first.num_frames, first.frame_stride, seed, size
        real = None
        counts = [protocol.num_real for protocol in self.protocols if protocol.estimator.needs_real]
        if asked.real is not None and counts:
            most = None if None in counts else max(count for count in counts if count is not None)
            real = asked.real.clips(first.real_rule, most, *shape)
        num_fake = max(protocol.num_clips for protocol in self.protocols)

        # Not the clips that a protocol compares with: which those are and how many there are differs among protocols,
        # and so would the videos.
        def partners(num_frames: int) -> NumberedClips:
            assert asked.real is not None
            return asked.real.clips(VIDEO_UNIFORM, num_fake, num_frames, 1, seed, size)

        return real, asked.fake.clips(first.fake_rule, num_fake, *shape, partners if asked.real is not None else None)

    def measure(self) -> list[Outcome]:
        """What has come of each protocol; a collective call."""
        trials: list[dict[str, dict[str, Estimate]]] = []
        failures: dict[str, str] = {}
        real = fake = None
        try:
            for trial in range(self.first.num_trials):
                real, fake = self.measurement.processes.together(partial(self.clips, trial))
                of_fake = self.summaries(self._wanted(False), fake, is_real=False)
                of_real = self._real_summaries(real, trial)
                trials.append(self._estimates(of_fake, of_real, real, failures))
        except MISTAKES as error:
            return [Outcome(each.name, failure=one_line(error)) for each in self.protocols]
        if not self.measurement.processes.is_first:
            return [Outcome(each.name) for each in self.protocols]
        assert fake is not None
        return [self._outcome(each, trials, failures, real, fake) for each in self.protocols]

    def _outcome(
        self,
        protocol: Protocol,
        trials: Sequence[dict[str, dict[str, Estimate]]],
        failures: dict[str, str],
        real: NumberedClips | None,
        fake: NumberedClips,
    ) -> Outcome:
        if protocol.name in failures:
            return Outcome(protocol.name, failure=failures[protocol.name])
        cards = cards_of(self, protocol, [trial[protocol.name] for trial in trials], real, fake)
        return Outcome(protocol.name, tuple(cards))

    def _estimates(
        self, of_fake: dict[Kept, Any], of_real: dict[Kept, Any], real: NumberedClips | None, failures: dict[str, str]
    ) -> dict[str, dict[str, Estimate]]:
        """By the protocol's name, on the first process; why one could not be computed goes to `failures`."""
        found: dict[str, dict[str, Estimate]] = {}
        if not self.measurement.processes.is_first:
            return found
        device = torch.device(self.measurement.device)
        for protocol in tqdm(self.protocols, desc=f"distances, {self.network.name}", disable=None, leave=False):
            sides = of_fake[self._kept(protocol, None)], None
            if protocol.estimator.needs_real:
                sides = sides[0], of_real[self._kept(protocol, real)]
                if isinstance(sides[0], Tensor) and isinstance(sides[1], Tensor):
                    self.rows[protocol.name] = sides[0], sides[1]
            try:
                found[protocol.name] = protocol.estimator.estimates(*sides, self.rows_per_clip(protocol), device)
            except MISTAKES as error:
                failures[protocol.name] = one_line(error)
        return found

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

    def _kept(self, protocol: Protocol, real: NumberedClips | None) -> Kept:
        """What a protocol keeps of the real clips, or, where they are None, of the fake ones."""
        num_clips = protocol.num_clips if real is None else self.num_real(protocol, real)
        return Kept(protocol.estimator.kind(real is not None), num_clips)

    def _wanted(self, is_real: bool, real: NumberedClips | None = None) -> dict[Kept, Protocol]:
        """What is to be kept of a side, each with one of the protocols that want it."""
        asking = [each for each in self.protocols if not is_real or each.estimator.needs_real]
        return {self._kept(protocol, real): protocol for protocol in asking}

    def _real_summaries(self, real: NumberedClips | None, trial: int) -> dict[Kept, Any]:
        """What is kept of the real side: from the cache where it is there; what is not, together in one pass."""
        if real is None:
            return {}
        cache, wanted = self.measurement.cache, self._wanted(True, real)
        identities = {kept: self._identity(kept, protocol, trial) for kept, protocol in wanted.items()}
        cached = {kept: cache.find(identity) for kept, identity in identities.items()}
        found: dict[Kept, Any] = {kept: each["real"] for kept, each in cached.items() if each is not None}
        missing = {kept: protocol for kept, protocol in wanted.items() if kept not in found}
        for kept, summary in self.summaries(missing, real, is_real=True).items():
            cache.keep(identities[kept], {"real": summary})
            found[kept] = summary
        return found

    def _identity(self, kept: Kept, protocol: Protocol, trial: int) -> dict[str, Any]:
        """All that decides what is kept of the real side."""
        side = self.measurement.real
        assert side is not None
        return StatisticsCache.identity(
            self.network,
            kind=kept.kind,
            fingerprint=side.fingerprint,
            own_stride=side.frame_stride,
            rule=protocol.real_rule.as_dict(),
            num_clips=kept.num_clips,
            num_frames=protocol.num_frames,
            frame_stride=protocol.frame_stride,
            seed=self.measurement.seed + trial,
            size=list(self.measurement.size_for(protocol)),
        )

    def summaries(self, wanted: dict[Kept, Protocol], clips: NumberedClips, is_real: bool) -> dict[Kept, Any]:
        """One pass of clips through the network, of which the first so many are kept; a collective call."""
        if not wanted:
            return {}
        accumulators = self.measurement.processes.together(lambda: self._accumulated(wanted, clips, is_real))
        return {kept: wanted[kept].estimator.summary(each, is_real) for kept, each in accumulators.items()}

    def _accumulated(self, wanted: dict[Kept, Protocol], clips: NumberedClips, is_real: bool) -> dict[Kept, Metric]:
        """What this process's share of the clips gives."""
        accumulators = {kept: self._accumulator(each, kept.num_clips, is_real) for kept, each in wanted.items()}
        processes, most = self.measurement.processes, max(kept.num_clips for kept in wanted)
        batches = [batch for batch in clips.own_batches(processes.rank, processes.world_size) if batch.start < most]
        for batch, part in zip(batches, self._shown(clips, batches, is_real), strict=True):
            rows = self.network(part.to(self.measurement.device))
            for kept, protocol in wanted.items():
                features, per_clip = rows[protocol.estimator.features], self.rows_per_clip(protocol)
                numbers = torch.arange(batch.start * per_clip, batch.stop * per_clip)
                used = numbers < kept.num_clips * per_clip
                protocol.estimator.add(
                    accumulators[kept], features[used.to(features.device)], numbers[used] // per_clip, numbers[used]
                )
        return accumulators

    def _accumulator(self, protocol: Protocol, num_clips: int, is_real: bool) -> Metric:
        num_features = self.network.num_features[protocol.estimator.features]
        sizes = Sizes(num_features, num_clips, self.rows_per_clip(protocol))
        device = torch.device(self.measurement.device)
        # Where processes talk by NCCL, what they add up must be on their GPUs; Apple's have no float64.
        return protocol.estimator.accumulator(sizes, is_real).to(device if device.type == "cuda" else "cpu")

    def _shown(self, clips: NumberedClips, batches: Sequence[range], is_real: bool) -> Iterable[Tensor]:
        """The clips, with a bar of the time left on the first process's terminal."""
        title = f"{'real' if is_real else 'fake'} clips, {self.network.name}"
        hidden = None if self.measurement.processes.is_first else True  # None: shown on a terminal only
        with tqdm(desc=title, total=sum(map(len, batches)), unit="clip", disable=hidden, leave=False) as progress:
            for batch, part in zip(batches, clips.read(batches), strict=True):
                yield part
                progress.update(len(batch))
