"""Measures scores of single clips, divided over the processes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from evaluation.card_making import too_short
from evaluation.file_side import FileClips, Files
from evaluation.processes import MISTAKES, Processes, one_line
from evaluation.results import Outcome
from evaluation.sides import NumberedClips, Partners, Side, common_size
from evaluation.video_source import Size, counted
from metrics.bootstrap import mean_interval
from metrics.card import MetricCard
from metrics.clip_rules import STYLEGAN_V_GENERATED, VIDEO_UNIFORM, ClipRule
from metrics.clip_scores import ClipScore, ClipScores, best_of
from metrics.perceptual_index import PerceptualIndex
from metrics.score_protocols import PERCEPTUAL_INDEX, SCORES, ScoreProtocol

FIRST_CLIPS = STYLEGAN_V_GENERATED  # of each video, in the order of their names, the clip at its beginning
DRAWN_CLIPS = ClipRule("shuffled", one_per_video=True, start="first")  # the same, of some videos of all classes


@dataclass
class ScoreMeasurement:
    """Measures score protocols on clips that begin with their videos.

    Of fake files all are scored, paired ones with the real videos in the order of their names.  A generator makes
    `num_videos`; for paired scores as many real videos are drawn at most, and it makes a partner, or several, of each.

    Args:
        real, fake: the sides; `real` may be None where nothing is paired.
        protocols: what to measure.
        num_videos: see above; None for files.
        seed: of the latents, and of the real videos that are drawn.
        device: where scores are computed that need a network.
        size: (height, width) that clips of files are brought to; None: as the fake ones, if all are of one size.
        ma_scores: file of the scores that the perceptual index needs.
        processes: that divide the work.

    Raises: ValueError or OSError, in one line and before anything is computed, if something is missing.
    """

    real: Files | None
    fake: Side
    protocols: Sequence[ScoreProtocol]
    num_videos: int | None = None
    seed: int = 0
    device: torch.device | str = "cpu"
    size: Size | None = None
    ma_scores: str | None = None
    processes: Processes = field(default_factory=Processes.running)

    def __post_init__(self) -> None:
        if self.ma_scores is not None and all(each.family != PERCEPTUAL_INDEX for each in self.protocols):
            raise ValueError("scores of Ma et al. are given, and no perceptual index is measured")
        self.scores = {each.name: self._score(each) for each in self.protocols}
        self.clips = {each.name: self._clips(each) for each in self.protocols}
        for protocol in self.protocols:
            self._try(protocol)
        self.curves: dict[str, Tensor] = {}  # by the protocol's name, (N, T') of each clip; after `measure`

    def measure(self) -> Iterator[Outcome]:
        """What has come of each protocol; a collective call.

        One that cannot be computed does not keep the others from it.
        """
        yield from map(self._outcome, self.protocols)

    def _outcome(self, protocol: ScoreProtocol) -> Outcome:
        try:
            self.curves[protocol.name] = self._curves(protocol)
        except MISTAKES as error:
            return Outcome(protocol.name, failure=one_line(error))
        return Outcome(protocol.name, (self._card(protocol),) if self.processes.is_first else ())

    def _score(self, protocol: ScoreProtocol) -> ClipScore | PerceptualIndex:
        if protocol.family == PERCEPTUAL_INDEX:
            return PerceptualIndex(self.ma_scores)
        return SCORES[protocol.family]()

    def _clips(self, protocol: ScoreProtocol) -> tuple[NumberedClips | None, NumberedClips]:
        """The real clips, of paired scores, and the fake ones."""
        score = self.scores[protocol.name]
        if isinstance(score, PerceptualIndex) or not score.needs_real:
            beside = None if self.real is None else self._beside(VIDEO_UNIFORM, 1)
            return None, self.fake.clips(FIRST_CLIPS, self.num_videos, *self._shape(protocol), beside)
        if self.real is None:
            raise ValueError(f"{protocol.name} compares each clip with a real one; give the real videos with --real")
        if not self.fake.belongs_to_real:
            raise ValueError(
                f"{protocol.name} compares each clip with the real one that it was made from, and this generator's are "
                "made from none; measure it with fvd and the like"
            )
        try:
            return self._pairs(protocol, self.real)
        except ValueError as error:
            raise ValueError(f"{protocol.name} compares clip by clip: {error}") from error

    def _pairs(self, protocol: ScoreProtocol, real_side: Files) -> tuple["Repeated", NumberedClips]:
        is_made, shape = self.num_videos is not None, self._shape(protocol)
        rule, num_samples = self._rule, protocol.num_samples
        real = Repeated(real_side.clips(rule, self.num_videos, *shape), num_samples)
        beside = self._beside(rule, num_samples, real.num_too_short)
        fake = self.fake.clips(FIRST_CLIPS, len(real) if is_made else None, *shape, beside)
        for side, clips in (("real", real), ("fake", fake)):
            if clips.num_too_short and not is_made:
                shorter = counted(clips.num_too_short, f"{side} video")
                raise ValueError(
                    f"{shorter} shorter than {protocol.num_frames} frames, so that others would be paired; leave them "
                    "and their partners out with --real_list and --fake_list"
                )
        if len(fake) != len(real):
            raise ValueError(
                f"{len(real) // num_samples} real videos need {len(real)} fake ones, paired by the order of their "
                f"names, and there are {len(fake)}"
            )
        return real, fake

    @property
    def _rule(self) -> ClipRule:
        """Of real clips that are paired."""
        return FIRST_CLIPS if self.num_videos is None else DRAWN_CLIPS

    def _shape(self, protocol: ScoreProtocol) -> tuple[int, int, int, Size]:
        return protocol.num_frames, 1, self.seed, common_size(self.size, self.fake)

    def _beside(self, rule: ClipRule, num_samples: int, num_too_short: int | None = None) -> Partners:
        """The real clips that a generator's are made beside; for pairs, of the videos that they are compared with."""

        def partners(num_frames: int) -> NumberedClips:
            assert self.real is not None
            size = common_size(self.size, self.fake)
            clips = Repeated(self.real.clips(rule, self.num_videos, num_frames, 1, self.seed, size), num_samples)
            if num_too_short is not None and clips.num_too_short != num_too_short:
                raise ValueError(
                    f"the generator makes its clips of {num_frames} frames of real videos, and some are shorter; leave "
                    "those out of --real_list"
                )
            return clips

        return partners

    def _try(self, protocol: ScoreProtocol) -> None:
        """Score a frame or two of noise: finds out that there are weights, and that the frames are large enough.

        Raises: ValueError, naming the protocol.
        """
        score = self.scores[protocol.name]
        _, fake = self.clips[protocol.name]
        num_frames, _, _, (height, width) = self._shape(protocol)
        rng = torch.Generator().manual_seed(0)
        try:
            if isinstance(score, PerceptualIndex):
                score.check_names([fake.name(index) for index in range(len(fake))])
                least = 1
            else:
                least = score.frames_per_score
            if num_frames < least:
                raise ValueError(f"it is of {least} frames or more")
            noise = torch.randint(256, (1, 3, least, height, width), generator=rng, dtype=torch.uint8).to(self.device)
            if isinstance(score, PerceptualIndex):
                score(noise, [fake.name(0)])
            else:
                score(noise, noise if score.needs_real else None)
                _ = score.settings
        except (ValueError, OSError) as error:
            raise ValueError(f"{protocol.name}: {error}") from error

    def _curves(self, protocol: ScoreProtocol) -> Tensor:
        """Scores of each clip, or of the best sample of each real clip, over time: (N, T'); a collective call."""
        curves = self.processes.together(lambda: self._gathered(protocol)).compute()
        score = self.scores[protocol.name]
        if protocol.num_samples == 1 or isinstance(score, PerceptualIndex):
            return curves
        return best_of(curves.unflatten(0, (-1, protocol.num_samples)), score.higher_is_better)

    def _gathered(self, protocol: ScoreProtocol) -> ClipScores:
        """The scores of this process's share of the clips."""
        real, fake = self.clips[protocol.name]
        score = self.scores[protocol.name]
        batches = fake.own_batches(self.processes.rank, self.processes.world_size)
        num_scores = 1 if isinstance(score, PerceptualIndex) else score.num_scores(protocol.num_frames)
        device = torch.device(self.device)
        gathered = ClipScores(num_scores).to(device if device.type == "cuda" else "cpu")  # processes talk by NCCL
        partners: Iterable[Tensor | None] = [None] * len(batches) if real is None else real.read(batches)
        hidden = None if self.processes.is_first else True  # None: shown on a terminal only
        with tqdm(desc=protocol.name, total=sum(map(len, batches)), unit="clip", disable=hidden, leave=False) as bar:
            for batch, clips, beside in zip(batches, fake.read(batches), partners, strict=True):
                gathered.update(self._scored(score, clips, batch, beside, fake), torch.tensor(list(batch)))
                bar.update(len(batch))
        return gathered

    def _scored(
        self, score: ClipScore | PerceptualIndex, clips: Tensor, batch: range, real: Tensor | None, fake: NumberedClips
    ) -> Tensor:
        clips = clips.to(self.device)
        if isinstance(score, PerceptualIndex):
            return score(clips, [fake.name(index) for index in batch])[:, None]
        return score(clips, None if real is None else real.to(self.device))

    def _card(self, protocol: ScoreProtocol) -> MetricCard:
        curves, score, (real, fake) = self.curves[protocol.name], self.scores[protocol.name], self.clips[protocol.name]
        height, width = common_size(self.size, self.fake)
        paired_with = self.real if real is not None else None
        settings = dict(score.settings)
        if paired_with is not None:
            settings["real_frame_stride"] = paired_with.frame_stride
        means = curves.mean(dim=1)
        return MetricCard(
            key=protocol.name,
            value=means.mean().item(),
            interval=mean_interval(means) if len(means) > 1 else None,
            curve=tuple(curves.mean(dim=0).tolist()),
            num_real=len(curves) if paired_with is not None else 0,
            num_fake=len(curves) * protocol.num_samples,
            num_frames=protocol.num_frames,
            fps=(paired_with or self.fake).fps or 0.0,
            frame_size=(height, width),
            resize="none",
            feature_network=score.name,
            weights_sha256=str(score.settings.get("weights_sha256", "")),
            real_fingerprint=paired_with.fingerprint if paired_with is not None else "",
            real_split="all",
            real_clips_sha256="",
            seed=self.seed,
            sampling=self.fake.sampling,
            covariance_divisor="",
            step=self.fake.step,
            estimator={"name": "mean over clips and frames", "best_of": protocol.num_samples},
            real_rule=self._rule.as_dict() if paired_with is not None else None,
            fake_rule=FIRST_CLIPS.as_dict() if not self.fake.sampling else None,
            settings=settings,
            source=(type(score).__doc__ or "").partition("\n")[0],
            fake=self.fake.description,
            warnings=(too_short("fake", fake),) if fake.num_too_short else (),
        )


class Repeated(NumberedClips):
    """Each clip of files several times, one after the other: the partner of each of its samples."""

    def __init__(self, clips: FileClips, times: int) -> None:
        self.clips = clips
        self.times = times
        self.batch_size = clips.batch_size
        self.num_too_short = clips.num_too_short
        self.labels = None if clips.labels is None else [label for label in clips.labels for _ in range(times)]

    def __len__(self) -> int:
        return len(self.clips) * self.times

    def name(self, index: int) -> str:
        """Of the clip."""
        return self.clips.name(index // self.times)

    def clip(self, index: int) -> Tensor:
        """The clip."""
        return self.clips.clip(index // self.times)

    def read(self, batches: Sequence[range]) -> Iterator[Tensor]:
        """Each clip is read once for those of its samples that are in one batch."""
        return self.clips.read([[index // self.times for index in batch] for batch in batches])
