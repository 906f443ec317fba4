"""Measures scores of single clips, divided over the processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from evaluation.measuring import Processes
from evaluation.sides import NumberedClips, Side
from evaluation.video_source import Size
from metrics.bootstrap import mean_interval
from metrics.card import MetricCard
from metrics.clip_rules import STYLEGAN_V_GENERATED
from metrics.clip_scores import ClipScore, ClipScores, best_of
from metrics.perceptual_index import PerceptualIndex
from metrics.score_protocols import PERCEPTUAL_INDEX, SCORES, ScoreProtocol

FIRST_CLIPS = STYLEGAN_V_GENERATED  # of each video, in the order of their names, the clip at its beginning


@dataclass
class ScoreMeasurement:
    """Measures score protocols: of files every video, from its first frame; of a generator `num_videos`.

    Args:
        real, fake: the sides; `real` may be None where nothing is paired.
        protocols: what to measure.
        num_videos: that a generator makes; of paired protocols, real clips and as many times their samples.
        seed: of the latents.
        device: where scores are computed that need a network.
        size: (height, width) that clips of files are brought to; None: as the fake ones, if all are of one size.
        ma_scores: file of the scores that the perceptual index needs.
        processes: that divide the work.

    Raises: ValueError or FileNotFoundError, in one line and before anything is computed, if something is missing.
    """

    real: Side | None
    fake: Side
    protocols: Sequence[ScoreProtocol]
    num_videos: int | None = None
    seed: int = 0
    device: torch.device | str = "cpu"
    size: Size | None = None
    ma_scores: str | None = None
    processes: Processes = field(default_factory=Processes.running)

    def __post_init__(self) -> None:
        self.scores = {each.name: self._score(each) for each in self.protocols}
        self.clips = {each.name: self._clips(each) for each in self.protocols}
        self.curves: dict[str, Tensor] = {}  # by the protocol's name, (N, T') of each clip; after `measure`

    def measure(self) -> list[MetricCard]:
        """The cards, in the order of the protocols; a collective call, with an answer on the first process."""
        for protocol in self.protocols:
            self.curves[protocol.name] = self._curves(protocol)
        if self.processes.rank != 0:
            return []
        return [self._card(protocol, self.curves[protocol.name]) for protocol in self.protocols]

    def _score(self, protocol: ScoreProtocol) -> ClipScore | PerceptualIndex:
        if protocol.family == PERCEPTUAL_INDEX:
            return PerceptualIndex(self.ma_scores)
        return SCORES[protocol.family]()

    def _clips(self, protocol: ScoreProtocol) -> tuple[NumberedClips | None, NumberedClips]:
        size = self.size or self.fake.frame_size
        if size is None:
            raise ValueError("the fake videos are of several sizes; say with --size to which to bring them")
        shape = protocol.num_frames, 1, self.seed, size
        score = self.scores[protocol.name]
        if isinstance(score, PerceptualIndex) or not score.needs_real:
            return None, self.fake.clips(FIRST_CLIPS, self.num_videos, *shape)
        if self.real is None:
            raise ValueError(f"{protocol.name} compares each clip with a real one; give the real videos with --real")
        real = self.real.clips(FIRST_CLIPS, self.num_videos, *shape)
        beside = Repeated(real, protocol.num_samples)
        fake = self.fake.clips(FIRST_CLIPS, len(beside), *shape, partners=beside)
        if len(fake) != len(beside):
            raise ValueError(
                f"{protocol.name} compares clip by clip, in the order of the videos' names: {len(real)} real videos "
                f"need {len(beside)} generated ones that are long enough, and there are {len(fake)}"
            )
        return beside, fake

    def _curves(self, protocol: ScoreProtocol) -> Tensor:
        """Scores of each clip, or of the best sample of each real clip, over time: (N, T')."""
        real, fake = self.clips[protocol.name]
        score = self.scores[protocol.name]
        batches = fake.own_batches(self.processes.rank, self.processes.world_size)
        num_scores = 1 if isinstance(score, PerceptualIndex) else score.num_scores(protocol.num_frames)
        gathered = ClipScores(num_scores)
        hidden = None if self.processes.rank == 0 else True  # None: shown on a terminal only
        with tqdm(desc=protocol.name, total=sum(map(len, batches)), unit="clip", disable=hidden, leave=False) as bar:
            for batch, clips in zip(batches, fake.read(batches), strict=True):
                gathered.update(self._scored(score, clips, batch, real, fake), torch.tensor(list(batch)))
                bar.update(len(batch))
        curves = gathered.compute()
        if protocol.num_samples == 1 or isinstance(score, PerceptualIndex):
            return curves
        return best_of(curves.unflatten(0, (-1, protocol.num_samples)), score.higher_is_better)

    def _scored(
        self,
        score: ClipScore | PerceptualIndex,
        clips: Tensor,
        batch: range,
        real: NumberedClips | None,
        fake: NumberedClips,
    ) -> Tensor:
        clips = clips.to(self.device)
        if isinstance(score, PerceptualIndex):
            return score(clips, [fake.name(index) for index in batch])[:, None]
        if real is None:
            return score(clips)
        return score(clips, torch.stack([real.clip(index) for index in batch]).to(self.device))

    def _card(self, protocol: ScoreProtocol, curves: Tensor) -> MetricCard:
        score, (real, _) = self.scores[protocol.name], self.clips[protocol.name]
        height, width = self.size or self.fake.frame_size or (0, 0)
        means = curves.mean(dim=1)
        return MetricCard(
            key=protocol.name,
            value=means.mean().item(),
            interval=mean_interval(means) if len(means) > 1 else None,
            curve=tuple(curves.mean(dim=0).tolist()),
            num_real=len(curves) if real is not None else 0,
            num_fake=len(curves) * protocol.num_samples,
            num_frames=protocol.num_frames,
            fps=self.fake.fps or 0.0,
            frame_size=(height, width),
            resize="none",
            feature_network=score.name,
            weights_sha256=str(score.settings.get("weights_sha256", "")),
            real_fingerprint=self.real.fingerprint if self.real is not None and real is not None else "",
            real_split="all",
            real_clips_sha256="",
            seed=self.seed,
            sampling=self.fake.sampling,
            covariance_divisor="",
            step=self.fake.step,
            estimator={"name": "mean over clips and frames", "best_of": protocol.num_samples},
            real_rule=FIRST_CLIPS.as_dict() if real is not None else None,
            fake_rule=FIRST_CLIPS.as_dict() if not self.fake.sampling else None,
            settings=score.settings,
            source=type(score).__doc__.partition("\n")[0] if type(score).__doc__ else "",
            fake=self.fake.description,
        )


class Repeated(NumberedClips):
    """Each clip several times, one after the other: the partner of each of its samples."""

    def __init__(self, clips: NumberedClips, times: int) -> None:
        self.clips = clips
        self.times = times
        self.batch_size = clips.batch_size
        self.labels = None if clips.labels is None else [label for label in clips.labels for _ in range(times)]

    def __len__(self) -> int:
        return len(self.clips) * self.times

    def name(self, index: int) -> str:
        """Of the clip."""
        return self.clips.name(index // self.times)

    def clip(self, index: int) -> Tensor:
        """The clip."""
        return self.clips.clip(index // self.times)

    def read(self, batches: Sequence[range]) -> Any:
        """One by one."""
        return (torch.stack([self.clip(index) for index in batch]) for batch in batches)
