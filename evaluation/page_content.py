"""What the page of an evaluation shows of what was measured: features that were kept, or pairs with their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from evaluation.clip_set import ClipSet
from evaluation.feature_pass import Pass
from evaluation.measuring import FeatureMeasurement
from evaluation.scoring import ScoreMeasurement
from evaluation.shown_clips import PairedScores
from evaluation.sides import NumberedClips
from metrics.estimators import KeptRows, Memorisation
from metrics.protocols import Protocol

PAGE = "page"  # the name of the protocol that keeps features for it
MOST_ON_PAGE = 1000


@dataclass(frozen=True)
class Shown:
    """What a page shows."""

    real: ClipSet
    fake: ClipSet
    class_names: Sequence[str] = ()
    training: ClipSet | None = None
    scores: PairedScores | None = None


def with_page(protocols: Sequence[Protocol]) -> list[Protocol]:
    """The protocols, and one that keeps features of the first one's network for the page, where one compares."""
    compared = [each for each in protocols if each.estimator.needs_real and each.num_trials == 1]
    if not compared:
        return list(protocols)
    first = compared[0]
    page = replace(
        first,
        name=PAGE,
        estimator=KeptRows("fvd" if "fvd" in first.network.num_features else "fid"),
        num_clips=min(first.num_clips, MOST_ON_PAGE),
        num_real=min(first.num_real or MOST_ON_PAGE, MOST_ON_PAGE),
    )
    return [*protocols, page]


def clips_to_show(features: FeatureMeasurement, scores: ScoreMeasurement) -> Shown | None:
    """Features where some were kept, else pairs; None where there is nothing to compare."""
    names = [] if features.real is None else list(features.real.class_names)
    class_names = names if len(names) > 1 and names == list(features.fake.class_names) else []
    kept = next((each for each in features.passes if PAGE in each.rows), None)
    if kept is None:
        return pairs_to_show(scores)
    fake_rows, real_rows = kept.rows[PAGE]
    real, fake = kept.clips(trial=0)
    assert real is not None
    per_clip = kept.rows_per_clip(next(each for each in kept.protocols if each.name == PAGE))
    return Shown(
        clip_set("real", real, mean_of_clip(real_rows, per_clip)),
        clip_set("generated", fake, mean_of_clip(fake_rows, per_clip)),
        class_names,
        training_clips(features, kept),
    )


def training_clips(features: FeatureMeasurement, kept: Pass) -> ClipSet | None:
    """All real clips that a memorisation was measured with, if it had the features of the page."""
    for each in features.passes:
        alike = each.network is kept.network and each.first.num_frames == kept.first.num_frames
        for protocol in each.protocols:
            if alike and isinstance(protocol.estimator, Memorisation) and protocol.name in each.rows:
                real, _ = each.clips(trial=0)
                assert real is not None
                return clip_set("training", real, each.rows[protocol.name][1])
    return None


def pairs_to_show(scores: ScoreMeasurement) -> Shown | None:
    """The pairs of the first paired score."""
    for protocol in scores.protocols:
        real, fake = scores.clips[protocol.name]
        if real is not None and protocol.num_samples == 1 and protocol.name in scores.curves:
            values = scores.curves[protocol.name].mean(dim=1)
            paired = PairedScores(protocol.name, values, scores.scores[protocol.name].higher_is_better)
            return Shown(clip_set("real", real), clip_set("generated", fake), scores=paired)
    return None


def mean_of_clip(rows: Tensor, per_clip: int) -> Tensor:
    """One row a clip: of features of frames, their mean."""
    return rows.unflatten(0, (-1, per_clip)).mean(dim=1)


def clip_set(side: str, clips: NumberedClips, features: Tensor | None = None) -> ClipSet:
    """The clips that have features, or all."""
    count = len(clips) if features is None else len(features)
    names = [clips.name(index) for index in range(count)]
    labels = None if clips.labels is None else list(clips.labels[:count])
    return ClipSet(side, names, clips.clip, features, labels)
