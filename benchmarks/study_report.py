"""The page that a study ends in: a table and strips, from the results alone."""

import dataclasses
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from benchmarks.study_plan import FAILURE
from metrics.card import MetricCard

Result = dict[str, Any]

FULL_SHARE = 0.9  # of its cores; a model that got less was not alone
DASH = "-"
COLUMNS = (
    "model", "objective", "parameters G + D", "steps", "clips/s", "minutes", "untrained", "FVD", "FID", "copies",
    "motion",
)  # fmt: skip


def write_report(output: Path, document: Path, names: list[str], mixed: bool) -> str:
    """Write the page and, beside it, the strips; what was written, in a line.

    Args:
        names: the models; those without a result have a row of dashes.
        mixed: whether results of different commits may stand in one table.

    Raises: SystemExit if there is no result, or if results are of different budgets, data, feature networks, machines
        or, unless mixed, commits.
    """
    paths = [output / name / "result.json" for name in names]
    results = [json.loads(path.read_text()) for path in paths if path.exists()]
    if not results:
        raise SystemExit(f"there is no */result.json in {output}; run the study first")
    check_alike(results)
    check_commits(results, mixed)
    pictures = document.parent / document.stem
    pictures.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(output / "real.png", pictures / "real.png")
    for result in results:
        shutil.copyfile(output / result["model"] / "samples.png", pictures / f"{result['model']}.png")
    fid, fvd = (next(key for key in results[0]["metrics"] if key.startswith(metric)) for metric in ("fid", "fvd"))
    results.sort(key=lambda result: statistics.mean(result["metrics"][fvd]["values"]))
    missing = without_result(output, names)
    lines = [*head(results, fid, fvd), *table(results, missing, fid, fvd), *strips(results, pictures.name)]
    document.write_text("\n".join(lines))
    return f"{document}: {len(results)} of {len(names)} models"


def without_result(output: Path, names: list[str]) -> dict[str, str]:
    """Name -> why there is no result."""
    missing = [name for name in names if not (output / name / "result.json").exists()]
    failures = {name: output / name / FAILURE for name in missing}
    return {name: f"failed: {path.read_text()}" if path.exists() else "not run" for name, path in failures.items()}


def check_alike(results: list[Result]) -> None:
    """Numbers of one table must be comparable.

    Raises: SystemExit naming two models and what forbids it.
    """
    first = results[0]
    for other in results[1:]:
        aspects = ("budget", "video_shape", "device", "threads", "num_training_clips")
        different = [aspect for aspect in aspects if other[aspect] != first[aspect]]
        pairs = zip(cards_of(first), cards_of(other), strict=False)
        different += dict.fromkeys(f"{field} of the cards" for one, two in pairs for field in one.differences(two))
        if different:
            raise SystemExit(
                f"{first['model']} and {other['model']} were not trained and measured alike: {', '.join(different)}"
            )


def cards_of(result: Result) -> list[MetricCard]:
    """All cards of a result; the table marks models that condition on clips, so they may stand beside the others."""
    cards = [MetricCard.from_dict(card) for metric in result["metrics"].values() for card in metric["cards"]]
    return [
        dataclasses.replace(card, sampling={k: v for k, v in card.sampling.items() if k != "conditions_on_clips"})
        for card in cards
    ]


def check_commits(results: list[Result], mixed: bool) -> None:
    """Numbers of different code are compared on request only.

    Raises: SystemExit naming the commits.
    """
    if len(by_commit(results)) > 1 and not mixed:
        raise SystemExit(f"results are of different code, {commits(results)}; if that is meant, add --mixed")


def by_commit(results: list[Result]) -> dict[str, list[str]]:
    """Names of the models of each commit."""
    names: dict[str, list[str]] = {}
    for result in results:
        names.setdefault(result["commit"], []).append(result["model"])
    return names


def commits(results: list[Result]) -> str:
    """The commit, or each with its models."""
    names = by_commit(results)
    if len(names) == 1:
        return next(iter(names))
    return "; ".join(f"{commit} ({', '.join(models)})" for commit, models in names.items())


def head(results: list[Result], fid: str, fvd: str) -> list[str]:
    """What was done."""
    first, budget = results[0], results[0]["budget"]
    _, num_frames, height, width = first["video_shape"]
    card = first["metrics"][fvd]["cards"][0]
    networks = "the narrow networks of `conf/small`" if budget["scale"] == "small" else "the networks of `conf`"
    return [
        "# Every model on one data set with one budget",
        "",
        "Written by `python -m benchmarks.study report` from the results of `python -m benchmarks.study run`.",
        "",
        f"- Data: {first['data']}; fingerprint of the training videos {card['real_fingerprint'][:12]}.",
        f"- Budget: {budget['minutes']:g} minutes of training on {first['device']}, {first['threads']} thread(s) a "
        f"model, {budget['jobs']} model(s) at a time, precision {budget['precision']}; {num_frames} frames of "
        f"{height}x{width}, {networks}.",
        f"- Code: {commits(results)}.",
        *shares(results),
        f"- `{fvd}` and `{fid}`: {card['num_fake']} generated clips against as many training clips, features of "
        f"{card['feature_network']} (weights {card['weights_sha256'][:12]}), covariance over "
        f"{card['covariance_divisor']}.",
        f"- Mean of {budget['repeats']} measurements, each with latents of its own; in brackets the smallest and the "
        "largest.  The brackets are over latents, not over training seeds: another seed of the training may move a "
        "model by more.",
        "- The features are those of an image network, so FVD ranks much like FID; of movement the column *motion* "
        "says more.",
        "- *Untrained*: FVD before the first step; a dash where another model was trained before.",
        "- *Copies*: median distance of generated clips to the nearest of "
        f"{first['num_training_clips']} training clips, over that of held-out real clips; near 0 means copies.",
        "- *Motion*: mean absolute difference of neighbouring frames, over that of training clips: 1 is as much as "
        "in real clips, near 0 they stand still, above 1 they flicker.",
        "- A dagger marks a model that is shown a part of each real clip; do not compare it with the others.",
        "",
        "Such a budget ranks what learns fast, not what is best in the end.",
        "",
    ]


def shares(results: list[Result]) -> list[str]:
    """Whether the models were alone on their cores; a GPU's time is not in the CPU's."""
    trainings = [training for result in results for training in (result["first_stage"], result) if training]
    if any(training["accelerator"] != "cpu" for training in trainings):
        return []
    got = [training["cpu_share"] for training in trainings]
    lines = [f"- Each model got {min(got):.2f} to {max(got):.2f} of its core(s): CPU time over wall time."]
    if min(got) < FULL_SHARE:
        lines.append(
            f"- **Warning**: some got less than {FULL_SHARE:g} of their cores; something else ran beside them (or "
            "their threads waited for each other), and equal minutes were not equal work."
        )
    return lines


def table(results: list[Result], missing: dict[str, str], fid: str, fvd: str) -> list[str]:
    """One row a model, the smallest FVD first; then those without a result, and what is said below the table."""
    rows = [row(result, fid, fvd) for result in results]
    rows += [[link(name), why.partition(":")[0], *[DASH] * (len(COLUMNS) - 2)] for name, why in missing.items()]
    notes = [note for result in results for note in notes_on(result)]
    notes += [f"- {name} {why}" for name, why in missing.items() if why.startswith("failed")]
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), "", *notes, *([""] if notes else [])]


def row(result: Result, fid: str, fvd: str) -> list[str]:
    """The cells of a model."""
    parameters, untrained, motion = result["parameters"], result["untrained"], result["motion_ratio"]
    stages = [stage for stage in (result["first_stage"], result) if stage]
    return [
        link(result["model"]) + " †" * result["conditions_on_clips"],
        result["objective"],
        millions(parameters),
        str(result["steps"]),
        f"{result['clips_per_second']:.0f}",
        f"{sum(stage['training_minutes'] for stage in stages):.1f}",
        f"{untrained[fvd]:.0f}" if untrained else DASH,
        interval(result["metrics"][fvd]["values"]),
        interval(result["metrics"][fid]["values"]),
        f"{result['memorisation_ratio']:.2f}",
        f"{motion:.2f}" if motion is not None else DASH,
    ]


def notes_on(result: Result) -> list[str]:
    """What a row cannot say: parameters that do not learn, a first stage."""
    notes, name, first = [], result["model"], result["first_stage"]
    frozen = sum(result["parameters"].values()) - sum(result["parameters_that_learn"].values())
    if frozen:
        notes.append(f"- {name}: {frozen / 1e6:.2f} M of its parameters are frozen.")
    if first:
        notes.append(
            f"- {name} starts from {first['model']}, whose {millions(first['parameters'])} parameters were trained "
            f"for {first['training_minutes']:.1f} of its minutes: {first['steps']} steps, {first['clips_seen']} clips "
            f"(then {result['clips_seen']})."
        )
    return notes


def link(model: str) -> str:
    """To the model's config."""
    return f"[{model}](../conf/{model}.yaml)"


def millions(parameters: dict[str, int]) -> str:
    """Of both players."""
    return f"{parameters['generator'] / 1e6:.2f} M + {parameters['discriminator'] / 1e6:.2f} M"


def interval(values: list[float]) -> str:
    """Mean, smallest and largest."""
    return f"{statistics.mean(values):.0f} [{min(values):.0f}, {max(values):.0f}]"


def strips(results: list[Result], folder: str) -> list[str]:
    """The pictures, in the order of the table."""
    lines = ["## Samples", "", "Four clips of each model, one a row, time from left to right.  Real clips:", ""]
    for name in ("real", *(result["model"] for result in results)):
        lines += [] if name == "real" else [f"**{name}**", ""]
        lines += [f'<img src="{folder}/{name}.png" width="640" alt="samples of {name}">', ""]
    return lines
