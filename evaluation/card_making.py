"""From estimates to cards."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.video_source import counted
from metrics.card import MetricCard
from metrics.estimators import Estimate
from metrics.protocols import Protocol

if TYPE_CHECKING:
    from evaluation.feature_pass import Pass
    from evaluation.sides import NumberedClips


def cards_of(
    made_by: "Pass",
    protocol: Protocol,
    trials: Sequence[dict[str, Estimate]],
    real_clips: "NumberedClips | None",
    fake_clips: "NumberedClips",
) -> list[MetricCard]:
    """A card for each number of a protocol.

    Args:
        trials: the estimates of each trial, by the estimator's name for the number.
        real_clips, fake_clips: of the last trial.
    """
    asked, network, estimator = made_by.measurement, made_by.network, protocol.estimator
    rows, num_real = made_by.rows_per_clip(protocol), made_by.num_real(protocol, real_clips)
    real = asked.real if num_real else None
    warnings = warnings_about(made_by, protocol, num_real)
    warnings += [
        too_short(side, clips)
        for side, clips in (("real", real_clips if num_real else None), ("fake", fake_clips))
        if clips is not None and clips.num_too_short
    ]
    height, width = asked.size_for(protocol)
    cards = []
    for name, key in protocol.keys.items():
        estimate = joined([trial[name] for trial in trials])
        cards.append(
            MetricCard(
                key=key,
                value=estimate.value,
                interval=estimate.interval,
                standard_deviation=estimate.standard_deviation,
                num_real=num_real * rows,
                num_fake=protocol.num_clips * rows,
                num_frames=protocol.num_frames,
                frame_stride=protocol.frame_stride,
                fps=(real.fps if real is not None else asked.fake.fps) or 0.0,
                frame_size=(height, width),
                resize=network.resize,
                feature_network=network.name,
                weights_sha256=network.weights_sha256,
                real_fingerprint=real.fingerprint if real is not None else "",
                real_split="all",
                real_clips_sha256="",
                seed=asked.seed,
                sampling=asked.fake.sampling,
                covariance_divisor=estimator.covariance_divisor,
                step=asked.fake.step,
                num_trials=protocol.num_trials,
                estimator=estimator.as_dict(),
                real_rule=protocol.real_rule.as_dict() if real is not None else None,
                fake_rule=protocol.fake_rule.as_dict() if not asked.fake.sampling else None,
                settings={"real_frame_stride": real.frame_stride} if real is not None else {},
                source=protocol.source,
                fake=asked.fake.description,
                warnings=tuple(warnings),
            )
        )
    return cards


def too_short(side: str, clips: "NumberedClips") -> str:
    """A warning of videos that gave no clip."""
    return f"{counted(clips.num_too_short, f'{side} video')} left out, too short"


def joined(trials: Sequence[Estimate]) -> Estimate:
    """The mean of several trials, their standard deviation, and the interval of the mean; one stays as it is."""
    if len(trials) == 1:
        return trials[0]
    values = [trial.value for trial in trials]
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    half = 1.96 * deviation / len(values) ** 0.5
    return Estimate(mean, (mean - half, mean + half), deviation)


def warnings_about(made_by: "Pass", protocol: Protocol, num_real: int) -> list[str]:
    """What a reader of the number must know."""
    rows, estimator = made_by.rows_per_clip(protocol), protocol.estimator
    num_features = made_by.network.num_features[estimator.features]
    warnings = []
    fewest = min([protocol.num_clips * rows, *([num_real * rows] if num_real else [])])
    if estimator.covariance_divisor and fewest <= num_features:
        warnings.append(
            f"{fewest} rows for {num_features} features: the covariance is guessed and the distance too large; compare "
            "with equal counts only"
        )
    if num_real and protocol.num_real is not None and num_real < protocol.num_real:
        warnings.append(f"the protocol takes {protocol.num_real} real clips, and there are {num_real}")
    return warnings
