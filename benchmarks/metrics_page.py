"""The page about the metrics' speed, from the results alone."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.metrics_timing import Record
from benchmarks.metrics_training import ALLOWED_SHARE
from benchmarks.speed_page import percent, table, write_sections

DASH = "-"


def write_page(results: Path, document: Path) -> str:
    """Write the page from the parts that were measured; what was written, in a line.

    Raises: SystemExit if there is none.
    """
    about = (
        "Written by `python -m benchmarks.metrics --document docs/metric_speed.md` from what it measured.  Ratios are "
        "medians over turns in which both sides ran one after the other in one process; times are medians, the first "
        "turn not counted."
    )
    return write_sections("How fast the metrics are", about, SECTIONS, results, document)


def networks_section(record: Record) -> list[str]:
    """Speed by frames a pass, variants, memory."""
    size, networks = record["frame_size"], record["networks"]
    passes = sorted({int(number) for each in networks.values() for number in each["clips_per_second"]})
    speeds = [
        [name, *(speed_cell(each, number) for number in passes), f"{each['default_over_best']:.2f}"]
        for name, each in networks.items()
    ]
    memory = [
        [name, *(f"{mebibytes:.0f} ({number})" for number, mebibytes in each["peak_mebibytes"].items())]
        for name, each in networks.items()
    ]
    return [
        f"Clips of 16 frames of {size}x{size} a second, {record['num_clips']} in a call, by how many frames go through "
        "the network at a time: the default in bold.  Loading is not in it, resizing is.  Last column: speed of the "
        "default over that of the best.",
        "",
        *table(["clips/s", *(f"{number} frames" for number in passes), "default / best"], speeds),
        "",
        "Speed of variants over that of the network as it is, and in brackets how far their features are from its "
        "features: root mean square of the change over the features' own deviation.  Nothing but *as it is* is ever "
        "used by a metric.  Last column: the share of the time that resizing takes, on the same device.",
        "",
        *variants_table(networks),
        "",
        "Most memory that weights, loading and passes take, in MiB, with the frames a pass in brackets:",
        "",
        *table(["network", "default", "best"], [[*row, *[DASH] * (3 - len(row))] for row in memory]),
    ]


def speed_cell(network: Record, frames_per_pass: int) -> str:
    """Clips a second, the default's in bold."""
    speed = network["clips_per_second"].get(str(frames_per_pass))
    if speed is None:
        return DASH
    return f"**{speed:.2f}**" if frames_per_pass == network["default_frames_per_pass"] else f"{speed:.2f}"


def variants_table(networks: Record) -> list[str]:
    """One row a network."""
    names = list(dict.fromkeys(name for each in networks.values() for name in each["variants"]))
    names = [name for name in names if name not in ("as it is", "resize alone")]
    rows = []
    for network, each in networks.items():
        cells = [each["variants"].get(name) for name in names]
        rows.append(
            [
                network,
                *(f"{cell['speed_ratio']:.2f} ({cell['difference']:.1g})" if cell else DASH for cell in cells),
                percent(1 / each["variants"]["resize alone"]["speed_ratio"]),
            ]
        )
    return table(["network", *names, "resizing"], rows)


def distance_section(record: Record) -> list[str]:
    """Ours beside the root of scipy."""
    own, root = "frechet_distance", "scipy's sqrtm"
    rows = [
        [
            str(case["dimension"]),
            str(case["num_samples"]),
            f"{case['seconds'][own]:.3f}",
            f"{case['seconds'][root]:.3f}",
            f"{case['speed_ratio']:.1f}",
            *(f"{case['difference_from_singular_values'][name]:.0e}" for name in (own, root)),
            f"{case['seconds_with_interval']:.1f}",
        ]
        for case in record["cases"]
    ]
    columns = ["dimensions", "samples", "ours, s", "sqrtm, s", "times faster", "error, ours", "error, sqrtm"]
    return [
        "`metrics.frechet` beside the square root of the product that pytorch-fid and the StyleGANs take from scipy "
        "(on the CPU), on the same moments; errors are relative, against the singular values of the samples.  Last "
        "column: a value with its 95 % interval, from the sums of the features.",
        "",
        *table([*columns, "with interval, s"], rows),
        "",
        agreement("Ours", [case["agrees"] for case in record["cases"]], "1e-6 of the singular values' distance"),
    ]


def peer_section(record: Record) -> list[str]:
    """Ours beside torch-fidelity's extractor."""
    batches = record["batches"].values()
    titles = {"peer": "torch-fidelity", "peer_exact": "torch-fidelity without TF32"}
    others = [name for name in titles if all(f"ratio_to_{name}" in batch for batch in batches)]
    rows = [
        [
            batch,
            f"{each['own_images_per_second']:.1f}",
            *(f"{each[f'{name}_images_per_second']:.1f}" for name in others),
            *(f"{each[f'ratio_to_{name}']:.2f}" for name in others),
        ]
        for batch, each in record["batches"].items()
    ]
    size = record["frame_size"]
    return [
        f"Features and logits of {record['num_images']} images of {size}x{size} a second, with the same (random) "
        "weights, by batch size.",
        "",
        *table(["batch", "ours", *(titles[n] for n in others), *(f"ours / {titles[n]}" for n in others)], rows),
        "",
        f"Largest difference of a feature: {record['largest_difference']:.1g}.",
        "",
        agreement("Ours", [record["agrees"]], "1e-4 of torch-fidelity's features"),
    ]


def training_section(record: Record) -> list[str]:
    """One row an experiment, the largest share first."""
    measured = {name: each for name, each in record["experiments"].items() if "share" in each}
    rows = [
        [
            f"[{name}](../conf/{name}.yaml)",
            "x".join(str(length) for length in each["video_shape"][1:]),
            str(each["batch_size"]),
            f"{each['seconds_per_step']:.3f}",
            f"{each['seconds_per_measurement']:.1f}",
            str(each["every_n_steps"]),
            f"**{percent(each['share'])}**" if each["share"] > ALLOWED_SHARE else percent(each["share"]),
            f"{each['steps_for_allowed_share']:.0f}",
        ]
        for name, each in sorted(measured.items(), key=lambda item: -item[1]["share"])
    ]
    above = [name for name, each in measured.items() if each["share"] > ALLOWED_SHARE]
    missing = [(name, each["not_measured"]) for name, each in record["experiments"].items() if name not in measured]
    layered = "`conf/small/NAME.yaml` on `conf/NAME.yaml`" if record["scale"] == "small" else "`conf/NAME.yaml`"
    allowed = percent(ALLOWED_SHARE)
    return [
        f"FID and FVD while training, {layered}, with each one's own interval: seconds of a measurement over those of "
        "the steps between two.  The real clips' statistics are made once for all runs and not in it.  Last column: "
        f"from which interval on it is at most {allowed}.",
        "",
        *table(["experiment", "clip", "batch", "s/step", "s/measurement", "every", "share", f"{allowed} from"], rows),
        "",
        f"Above {allowed}: {', '.join(sorted(above)) or 'none'}.",
        *(["", f"Measured again, after the others: {', '.join(record['again'])}."] if record.get("again") else []),
        *(line for name, why in missing for line in ("", f"Not measured: {name}: {why}.")),
    ]


def agreement(who: str, each_agrees: Iterable[bool], within: str) -> str:
    """A sentence."""
    agrees = list(each_agrees)
    if all(agrees):
        return f"{who} are within {within} in every case."
    return f"**{who} are NOT within {within}** in {agrees.count(False)} of {len(agrees)} cases."


SECTIONS = {
    "networks": ("Feature networks", networks_section),
    "distance": ("The Frechet distance", distance_section),
    "peer": ("Beside torch-fidelity", peer_section),
    "training": ("What measuring costs a training", training_section),
}
PARTS = tuple(SECTIONS)
