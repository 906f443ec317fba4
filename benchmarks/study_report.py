"""The page that a study ends in: a table and strips, from the results alone."""

import json
import shutil
import statistics
from pathlib import Path
from typing import Any


def write_report(output: Path, document: Path) -> str:
    """Write the page and, beside it, the strips; what was written, in a line.

    Raises: SystemExit if there is no result, or if results are of different budgets, data or feature networks.
    """
    results = [json.loads(path.read_text()) for path in sorted(output.glob("*/result.json"))]
    if not results:
        raise SystemExit(f"there is no */result.json in {output}; run the study first")
    check_alike(results)
    pictures = document.parent / document.stem
    pictures.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(output / "real.png", pictures / "real.png")
    for result in results:
        shutil.copyfile(output / result["model"] / "samples.png", pictures / f"{result['model']}.png")
    fid, fvd = (next(key for key in results[0]["metrics"] if key.startswith(metric)) for metric in ("fid", "fvd"))
    results.sort(key=lambda result: statistics.mean(result["metrics"][fvd]["values"]))
    lines = [*head(results, fid, fvd), *table(results, fid, fvd), *strips(results, pictures.name)]
    document.write_text("\n".join(lines))
    return f"{document}: {len(results)} models"


def check_alike(results: list[dict[str, Any]]) -> None:
    """Numbers of one table must be comparable."""

    def made_alike(result: dict[str, Any]) -> Any:
        cards = [card for metric in result["metrics"].values() for card in metric["cards"]]
        ignored = {"value", "step", "seed", "versions"}
        protocols = sorted({json.dumps({k: v for k, v in card.items() if k not in ignored}) for card in cards})
        return result["budget"], protocols, result["video_shape"], result["device"]

    for result in results[1:]:
        if made_alike(result) != made_alike(results[0]):
            raise SystemExit(f"{result['model']} and {results[0]['model']} were not trained and measured alike")


def head(results: list[dict[str, Any]], fid: str, fvd: str) -> list[str]:
    """What was done."""
    first, budget = results[0], results[0]["budget"]
    _, num_frames, height, width = first["video_shape"]
    card = first["metrics"][fvd]["cards"][0]
    threads = f", {first['threads']} thread(s) a model" if budget["threads"] else ""
    networks = "the narrow networks of `conf/small`" if budget["scale"] == "small" else "the networks of `conf`"
    return [
        "# Every model on one data set with one budget",
        "",
        "Written by `python -m benchmarks.study report` from the results of `python -m benchmarks.study run`.",
        "",
        f"- Data: {first['data']}; fingerprint of the training videos {card['real_fingerprint'][:12]}.",
        f"- Budget: {budget['minutes']:g} minutes of training on {first['device']}{threads}; {num_frames} frames of "
        f"{height}x{width}, {networks}.",
        f"- `{fvd}` and `{fid}`: {card['num_fake']} generated clips against as many training clips, features of "
        f"{card['feature_network']} (weights {card['weights_sha256'][:12]}), covariance over "
        f"{card['covariance_divisor']}.",
        f"- Mean of {budget['repeats']} measurements, each with latents of its own; in brackets the smallest and the "
        "largest.",
        "- *Untrained*: FVD before the first step.",
        "- *Copies*: median distance of generated clips to the nearest of "
        f"{first['num_training_clips']} training clips, over that of held-out real clips; near 0 means copies.",
        "- A dagger marks a model that is shown a part of each real clip; do not compare it with the others.",
        "",
        "Such a budget ranks what learns fast, not what is best in the end.",
        "",
    ]


def table(results: list[dict[str, Any]], fid: str, fvd: str) -> list[str]:
    """One row a model, the smallest FVD first."""
    rows = [
        "| model | objective | parameters G + D | steps | clips/s | minutes | untrained | FVD | FID | copies |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        parameters = result["parameters"]
        rows.append(
            f"| [{result['model']}](../conf/{result['model']}.yaml){' †' * result['conditions_on_clips']} "
            f"| {result['objective']} "
            f"| {parameters['generator'] / 1e6:.2f} M + {parameters['discriminator'] / 1e6:.2f} M "
            f"| {result['steps']} | {result['clips_per_second']:.0f} | {result['training_minutes']:.1f} "
            f"| {result['untrained'][fvd]:.0f} | {interval(result['metrics'][fvd]['values'])} "
            f"| {interval(result['metrics'][fid]['values'])} | {result['memorisation_ratio']:.2f} |"
        )
    return [*rows, ""]


def interval(values: list[float]) -> str:
    """Mean, smallest and largest."""
    return f"{statistics.mean(values):.0f} [{min(values):.0f}, {max(values):.0f}]"


def strips(results: list[dict[str, Any]], folder: str) -> list[str]:
    """The pictures, in the order of the table."""
    lines = ["## Samples", "", "Four clips of each model, one a row, time from left to right.  Real clips:", ""]
    for name in ("real", *(result["model"] for result in results)):
        lines += [] if name == "real" else [f"**{name}**", ""]
        lines += [f'<img src="{folder}/{name}.png" width="640" alt="samples of {name}">', ""]
    return lines
