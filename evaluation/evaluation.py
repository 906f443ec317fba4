"""One evaluation from its options to its results: opens both sides, measures, writes cards and page."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evaluation.clip_set import ClipSet
from evaluation.measuring import FeatureMeasurement, Pass, Processes
from evaluation.open_videos import open_videos
from evaluation.page import write_page
from evaluation.results import Results
from evaluation.scoring import ScoreMeasurement
from evaluation.shown_clips import PairedScores
from evaluation.sides import Files, Generated, NumberedClips, Side
from evaluation.trained_run import TrainedRun, open_run
from experiment.saved_run import is_run_folder
from metrics.card import MetricCard
from metrics.estimators import KeptRows
from metrics.protocols import PUBLISHED, Protocol, nearest, protocol_named
from metrics.score_protocols import PERCEPTUAL_INDEX, SCORES, ScoreProtocol, is_score, score_protocol_named

NUM_VIDEOS = 256  # that a run makes for scores of single clips
MOST_ON_PAGE = 1000
PAGE = "page"  # the name of the protocol that keeps features for it


def evaluate(options: argparse.Namespace, device: torch.device) -> tuple[Results | None, Path | None]:
    """Measure what the options of `evaluate.py` say; a collective call where several processes run.

    Returns: the results and the path of the page, on the first process.
    Raises: ValueError or FileNotFoundError, in one line, before anything is computed where that can be known.
    """
    names = [name for name in options.metrics.split(",") if name]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"--metrics {options.metrics}: give one name or more, each once, with commas between")
    for name in names:  # before anything is opened
        _ = score_protocol_named(name) if is_score(name) else checked(name, frames_per_clip=1)
    processes = Processes.running()
    real, fake = open_sides(options, device)
    frames_per_clip = num_frames_of(fake)
    wanted: dict[str, Protocol | ScoreProtocol] = {
        name: score_protocol_named(name) if is_score(name) else checked(name, frames_per_clip) for name in names
    }
    protocols = [each for each in wanted.values() if isinstance(each, Protocol)]
    size = (options.size, options.size) if options.size else None
    shared: dict[str, Any] = {"seed": options.seed, "device": device, "size": size, "processes": processes}
    features = FeatureMeasurement(
        real, fake, with_page(protocols, real, options), weights=weight_paths(options.weight_file), **shared
    )
    scores = ScoreMeasurement(
        real,
        fake,
        [each for each in wanted.values() if isinstance(each, ScoreProtocol)],
        num_videos=options.num_videos or (NUM_VIDEOS if isinstance(fake, Generated) else None),
        ma_scores=options.ma_scores,
        **shared,
    )
    cards = [*features.measure(), *scores.measure()]
    if processes.rank != 0:
        return None, None
    results = Results(in_order(cards, names), real.description if real else "none", fake.description)
    results.write(options.output)
    page = options.output.with_suffix(".html")
    shown = None if options.no_page else clips_to_show(features, scores)
    if shown is None:
        return results, None
    fps = next((side.fps for side in (real, fake) if side is not None and side.fps), None) or 8.0
    class_names = tuple((real or fake).class_names)
    write_page(
        page,
        [card.as_dict() for card in results.cards],
        shown.real,
        shown.fake,
        fps,
        class_names=class_names if len(class_names) > 1 else (),
        training=shown.training,
        scores=shown.scores,
        title=f"Evaluation of {Path(options.fake).name}",
        notes=[f"real: {results.real}", f"fake: {results.fake}"],
    )
    return results, page


def open_sides(options: argparse.Namespace, device: torch.device) -> tuple[Side | None, Side]:
    """The real and the fake side."""
    run: TrainedRun | None = None
    if is_run_folder(options.fake):
        run = open_run(
            options.fake,
            options.checkpoint,
            options.weights == "ema",
            options.truncation,
            device,
            tuple(options.allow_package),
        )
    reading = {"batch_size": options.batch_size, "num_workers": options.num_workers}
    stride = options.frame_stride or (run.frame_stride if run is not None else 1)
    real = None
    if options.real is not None:
        if is_run_folder(options.real):
            raise ValueError(f"--real {options.real}: is a run; give real videos, and the run as --fake")
        real = Files(open_videos(options.real, options.real_list), stride, **reading)
    if run is None:
        return real, Files(open_videos(options.fake, options.fake_list), 1, **reading)
    names = real.class_names if real is not None else ()
    return real, Generated(run, real.fps if real is not None else None, options.batch_size, names)


def num_frames_of(fake: Side) -> int:
    """Frames of the clips that protocols of frames are taken from: a generator's own, or 16."""
    return fake.run.module.generator.num_frames if isinstance(fake, Generated) else 16


def checked(name: str, frames_per_clip: int) -> Protocol:
    """A protocol of features; the error for a name that is none says all names."""
    try:
        return protocol_named(name, frames_per_clip)
    except ValueError as error:
        scores = [f"{family}_16f" for family in (*SCORES, PERCEPTUAL_INDEX)]
        near = nearest(name, [*PUBLISHED, *scores])
        raise ValueError(f"{error}" if "/" in name else f"there is no metric {name!r}{near}") from error


def weight_paths(given: Sequence[str]) -> dict[str, str]:
    """Paths of weight files by the network's name, of NETWORK=PATH."""
    pairs = [each.partition("=") for each in given]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise ValueError(f"--weight_file {name}{equals}{path}: give NETWORK=PATH")
    return {name: path for name, _, path in pairs}


def with_page(protocols: Sequence[Protocol], real: Side | None, options: argparse.Namespace) -> list[Protocol]:
    """The protocols, and one that keeps features of the first one's network for the page."""
    compared = [each for each in protocols if each.estimator.needs_real and each.num_trials == 1]
    if options.no_page or real is None or not compared:
        return list(protocols)
    first = compared[0]
    features = "fvd" if "fvd" in first.network.num_features else "fid"
    num_real = MOST_ON_PAGE if first.num_real is None else min(first.num_real, MOST_ON_PAGE)
    page = replace(
        first,
        name=PAGE,
        estimator=KeptRows(features),
        num_clips=min(first.num_clips, MOST_ON_PAGE),
        num_real=num_real,
    )
    return [*protocols, page]


def in_order(cards: Sequence[MetricCard], names: Sequence[str]) -> tuple[MetricCard, ...]:
    """As they were asked for; a protocol of several numbers has them together."""
    place = {name: number for number, name in enumerate(names)}
    of_several = {key: place[name] for name in names if not is_score(name) for key in keys_of(name)}
    return tuple(sorted(cards, key=lambda card: place.get(card.key, of_several.get(card.key, len(names)))))


def keys_of(name: str) -> Sequence[str]:
    """The keys of a protocol's numbers; frames per clip do not change them."""
    if name in PUBLISHED:
        return list(PUBLISHED[name].keys.values())
    if name.startswith("prdc"):
        return [name.replace("prdc", each, 1) for each in ("precision", "recall", "density", "coverage")]
    return [name]


@dataclass(frozen=True)
class Shown:
    """What a page shows."""

    real: ClipSet
    fake: ClipSet
    training: ClipSet | None
    scores: PairedScores | None


def clips_to_show(features: FeatureMeasurement, scores: ScoreMeasurement) -> Shown | None:
    """Features where some were kept, else pairs; None where there is nothing to compare."""
    kept = next((each for each in features.passes if PAGE in each.summaries_of), None)
    if kept is not None:
        of_fake, of_real = kept.summaries_of[PAGE]
        real, fake = kept.clips(trial=0)
        assert real is not None
        copies = any(each.name.startswith("memorisation") for each in features.protocols)
        real_set = clip_set("real", real, clip_features(of_real, kept))
        return Shown(
            real_set,
            clip_set("generated", fake, clip_features(of_fake, kept)),
            replace(real_set, side="training") if copies else None,
            None,
        )
    for protocol in scores.protocols:
        real, fake = scores.clips[protocol.name]
        score = scores.scores[protocol.name]
        if real is not None and protocol.num_samples == 1:
            values = scores.curves[protocol.name].mean(dim=1)
            paired = PairedScores(protocol.name, values, score.higher_is_better)
            return Shown(clip_set("real", real), clip_set("generated", fake), None, paired)
    return None


def clip_features(rows: Tensor, kept: Pass) -> Tensor:
    """One row a clip: of features of frames, their mean."""
    per_clip = kept.rows_per_clip(next(each for each in kept.protocols if each.name == PAGE))
    return rows.unflatten(0, (-1, per_clip)).mean(dim=1)


def clip_set(side: str, clips: NumberedClips, features: Tensor | None = None) -> ClipSet:
    """The clips that have features, or all."""
    count = len(clips) if features is None else len(features)
    names = [clips.name(index) for index in range(count)]
    labels = None if clips.labels is None else list(clips.labels[:count])
    return ClipSet(side, names, clips.clip, features, labels)
