"""One evaluation from its options to its results: opens both sides, measures, writes cards and page."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from evaluation.file_side import Files
from evaluation.generated_side import Generated
from evaluation.measuring import FeatureMeasurement
from evaluation.open_videos import open_videos
from evaluation.page import write_page
from evaluation.page_content import PAGE, clips_to_show, with_page
from evaluation.processes import MISTAKES, Processes, one_line
from evaluation.results import Outcome, Results
from evaluation.scoring import ScoreMeasurement
from evaluation.sides import Side
from evaluation.trained_run import open_run
from experiment.saved_run import is_run_folder
from metrics.protocols import FORMS, PUBLISHED, Protocol, nearest, protocol_named
from metrics.score_protocols import PERCEPTUAL_INDEX, SCORES, ScoreProtocol, is_score, score_protocol_named

OUTPUT = "--output"  # what has failed when the results could not be written
NUM_VIDEOS = 256  # that a run makes for scores of single clips
FRAMES_PER_CLIP = 16  # of clips that protocols of frames are taken from
FPS = 8.0  # of clips on the page, where nothing says it
OF_RUNS = {"checkpoint": "last", "weights": "ema", "truncation": None, "num_videos": None}  # options and defaults


@dataclass(frozen=True)
class Evaluation:
    """All that is measured, checked and ready."""

    names: Sequence[str]
    real: Files | None
    fake: Side
    features: FeatureMeasurement
    scores: ScoreMeasurement

    def outcomes(self) -> Iterator[Outcome]:
        """What comes of each name, in the order in which they are computed; a collective call."""
        for outcome in chain(self.features.measure(), self.scores.measure()):
            if outcome.name != PAGE:
                yield outcome

    def results(self, found: dict[str, Outcome]) -> Results:
        """Of what there is so far, in the order of the names."""
        not_yet = Outcome("", failure="not measured, the evaluation was stopped before")
        outcomes = {name: found.get(name, not_yet) for name in self.names}
        return Results(
            tuple(card for outcome in outcomes.values() for card in outcome.cards),
            self.real.description if self.real is not None else "none",
            self.fake.description,
            {name: outcome.failure for name, outcome in outcomes.items() if outcome.failure},
        )


def evaluate(options: argparse.Namespace, device: torch.device) -> tuple[Results | None, Path | None]:
    """Measure what the options of `evaluate.py` say; a collective call where several processes run.

    What has been computed is written after each pass, so that nothing that comes later can take it away.

    Returns: the results and the path of the page, on the first process.
    Raises: ValueError or OSError, in one line, before anything is computed where that can be known.
    """
    processes = Processes.running()
    evaluation = processes.one_then_all(lambda: prepared(options, device, processes))
    found: dict[str, Outcome] = {}
    results = evaluation.results(found)
    for outcome in evaluation.outcomes():
        found[outcome.name] = outcome
        if processes.is_first:
            results = written(evaluation.results(found), options.output)
    if not processes.is_first:
        return None, None
    if options.no_page:
        return results, None
    try:
        return results, page_of(evaluation, results, options)
    except MISTAKES as error:
        results = replace(results, failed={**results.failed, PAGE: one_line(error)})
        return written(results, options.output), None


def written(results: Results, path: Path) -> Results:
    """Write the results; where that fails, on a full disk, say, they say so, and what was measured goes on."""
    try:
        results.write(path)
    except OSError as error:
        problem = f"{path} could not be written ({error.strerror or error})"
        return replace(results, failed={**results.failed, OUTPUT: problem})
    return results


def prepared(options: argparse.Namespace, device: torch.device, processes: Processes) -> Evaluation:
    """Opens both sides and finds out whether all can be measured.

    Raises: ValueError or OSError, in one line.
    """
    names = checked_names(options.metrics)
    if processes.is_first:
        check_output(options.output)
    real, fake = open_sides(options, device)
    frames_per_clip = fake.longest if isinstance(fake, Generated) else min(FRAMES_PER_CLIP, fake.longest)
    wanted = [named(name, frames_per_clip) for name in names]
    protocols = [each for each in wanted if isinstance(each, Protocol)]
    shared: dict[str, Any] = {
        "seed": options.seed,
        "device": device,
        "size": (options.size, options.size) if options.size else None,
        "processes": processes,
    }
    features = FeatureMeasurement(
        real,
        fake,
        protocols if options.no_page or real is None else with_page(protocols),
        weights=weight_paths(options.weight_file),
        **shared,
    )
    scores = ScoreMeasurement(
        real,
        fake,
        [each for each in wanted if isinstance(each, ScoreProtocol)],
        num_videos=(options.num_videos or NUM_VIDEOS) if isinstance(fake, Generated) else None,
        ma_scores=options.ma_scores,
        **shared,
    )
    return Evaluation(names, real, fake, features, scores)


def checked_names(metrics: str) -> list[str]:
    """The names in `--metrics`; those of frames are checked again once the length of clips is known.

    Raises: ValueError if there is none, one comes twice, or one is no metric.
    """
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"--metrics {metrics}: give one name or more, each once, with commas between")
    for name in names:
        named(name, frames_per_clip=1)
    return names


def named(name: str, frames_per_clip: int) -> Protocol | ScoreProtocol:
    """What a name means; the error for one that means nothing says the nearest of all."""
    if is_score(name):
        return score_protocol_named(name)
    try:
        return protocol_named(name, frames_per_clip)
    except ValueError as error:
        if "/" in name and not str(error).startswith("there is no protocol"):
            raise  # it says what part is wrong
        known = [*PUBLISHED, *(f"{family}_16f" for family in (*SCORES, PERCEPTUAL_INDEX))]
        near = nearest(name, known)
        stop = "" if near.endswith("?") else "."
        raise ValueError(f"there is no metric {name!r}{near}{stop} This project's own are like {FORMS}") from error


def check_output(path: Path) -> None:
    """Raise ValueError or OSError if the results cannot be written to a path; leaves nothing there."""
    if path.suffix == ".html":
        raise ValueError(f"--output {path}: is where the page goes; call the file of the cards something.json")
    if path.is_dir():
        raise ValueError(f"--output {path}: is a folder; give a file")
    folder = next(each for each in path.absolute().parents if each.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"--output {path}: cannot be written, {folder}: {error.strerror}") from error


def open_sides(options: argparse.Namespace, device: torch.device) -> tuple[Files | None, Side]:
    """The real and the fake side.

    Raises: ValueError or FileNotFoundError if one is missing, or an option does not go with it.
    """
    if options.fake is None:
        raise ValueError("give the fake videos, or a run, with --fake")
    is_run = is_run_folder(options.fake)
    if is_run and options.fake_list is not None:
        raise ValueError(f"--fake_list {options.fake_list}: is for videos; --fake {options.fake} is a run")
    if not is_run and (given := [name for name, default in OF_RUNS.items() if getattr(options, name) != default]):
        raise ValueError(f"--{given[0]}: is for a run; --fake {options.fake} is no run folder of train.py")
    if options.real is None and options.real_list is not None:
        raise ValueError(f"--real_list {options.real_list}: give the real videos with --real, too")
    if options.real is not None and is_run_folder(options.real):
        raise ValueError(f"--real {options.real}: is a run; give real videos, and the run as --fake")
    if is_run:
        return run_and_its_real_side(options, device)
    fake = Files(open_videos(options.fake, options.fake_list), 1, options.batch_size, options.num_workers)
    return real_side(options, options.frame_stride or 1), fake


def run_and_its_real_side(options: argparse.Namespace, device: torch.device) -> tuple[Files | None, Generated]:
    """Real videos at the stride of a run's training, and its generator."""
    is_average = options.weights == "ema"
    run = open_run(
        options.fake, options.checkpoint, is_average, options.truncation, device, tuple(options.allow_package)
    )
    real = real_side(options, options.frame_stride or run.frame_stride)
    if real is None:
        return None, Generated(run, None, options.batch_size)
    return real, Generated(run, real.fps, options.batch_size, real.class_names)


def real_side(options: argparse.Namespace, frame_stride: int) -> Files | None:
    """The real videos, if there are any."""
    if options.real is None:
        return None
    source = open_videos(options.real, options.real_list)
    return Files(source, frame_stride, options.batch_size, options.num_workers)


def weight_paths(given: Sequence[str]) -> dict[str, str]:
    """Paths of weight files by the network's name, of NETWORK=PATH."""
    pairs = [each.partition("=") for each in given]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise ValueError(f"--weight_file {name}{equals}{path}: give NETWORK=PATH")
    return {name: path for name, _, path in pairs}


def page_of(evaluation: Evaluation, results: Results, options: argparse.Namespace) -> Path | None:
    """Write the page beside the results; its path, or None where there is nothing to show."""
    shown = clips_to_show(evaluation.features, evaluation.scores)
    if shown is None:
        return None
    page = options.output.with_suffix(".html")
    write_page(
        page,
        [card.as_dict() for card in results.cards],
        shown.real,
        shown.fake,
        next((side.fps for side in (evaluation.real, evaluation.fake) if side is not None and side.fps), FPS),
        class_names=shown.class_names,
        training=shown.training,
        scores=shown.scores,
        title=f"Evaluation of {Path(options.fake).name}",
        notes=[
            f"real: {results.real}",
            f"fake: {results.fake}",
            *(f"{name}: failed: {why}" for name, why in results.failed.items()),
        ],
    )
    return page
