"""What the sensitivity study has found, as tables: which metric sees which damage."""

from typing import Any, Literal, NamedTuple

from scipy.stats import spearmanr

Results = dict[str, Any]  # what `benchmarks.metric_sensitivity` writes
Kind = Literal["sees", "blind", "fooled"]
DASH = "-"


class Verdict(NamedTuple):
    """What a metric says of a damage.

    Args:
        kind: "sees": the strongest damage is worse than the floor, the 95 % intervals apart; "fooled": better, and
            apart; "blind": not apart.
        ratio: value at the strongest damage over the floor; None where the floor is not above 0.
        correlation: Spearman's, of strength (the floor is 0) and how bad the value is: +1, worse with every step.
    """

    kind: Kind
    ratio: float | None
    correlation: float


def verdict_on(metric: dict[str, Any], damage: str) -> Verdict | None:
    """Of an entry of `Results["metrics"]`; None where it says nothing of this damage."""
    floor, points = metric["floor"], metric["values"][damage]
    if floor is None or None in points:
        return None
    sign = -1 if metric["higher_is_better"] else 1
    (low, high), (floor_low, floor_high) = interval_of(points[-1]), interval_of(floor)
    worse = sign * (points[-1]["value"] - floor["value"])
    kind: Kind = "blind"
    if low > floor_high or high < floor_low:
        kind = "sees" if worse > 0 else "fooled"
    # Five digits: what differs by rounding alone is equal.
    badness = [float(f"{sign * each['value']:.5g}") for each in (floor, *points)]
    same = len(set(badness)) == 1
    correlation = 0.0 if same else float(spearmanr(range(len(badness)), badness).statistic)
    return Verdict(kind, points[-1]["value"] / floor["value"] if floor["value"] > 0 else None, correlation)


def interval_of(point: dict[str, Any]) -> tuple[float, float]:
    """Of a value; the value itself where there is none."""
    low, high = point["interval"] or (point["value"], point["value"])
    return low, high


def findings(results: Results) -> list[str]:
    """The study in a table: the words for each metric."""
    lines = ["| metric | sees | does not see | is better with |", "|---|---|---|---|"]
    for metric in results["metrics"]:
        found: dict[str, list[str]] = {"sees": [], "blind": [], "fooled": []}
        for damage in results["damages"]:
            verdict = verdict_on(metric, damage["name"])
            if verdict is not None:
                found[verdict.kind].append(damage["name"])
        cells = [", ".join(names) or DASH for names in found.values()]
        lines.append(f"| {metric['name']} | {' | '.join(cells)} |")
    return lines


def ratios(results: Results) -> list[str]:
    """Ratio to the floor at the strongest damage, and rank correlation, of each metric and damage."""
    names = [damage["name"] for damage in results["damages"]]
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for metric in results["metrics"]:
        cells = [cell(verdict_on(metric, name)) for name in names]
        lines.append(f"| {metric['name']} | {' | '.join(cells)} |")
    return lines


def cell(verdict: Verdict | None) -> str:
    """Bold for what is seen, in italics for what fools."""
    if verdict is None:
        return DASH
    ratio = DASH if verdict.ratio is None else shown(verdict.ratio)
    marked = {"sees": f"**{ratio}**", "blind": ratio, "fooled": f"*{ratio}*"}[verdict.kind]
    return f"{marked} ({verdict.correlation:+.1f})"


def shown(ratio: float) -> str:
    """Two digits after the point below 10, none above."""
    return f"{ratio:.2f}" if abs(ratio) < 9.995 else f"{ratio:.0f}"


def floors(results: Results) -> list[str]:
    """Every metric's key and its value for clips to which nothing was done."""
    lines = ["| metric | key | better | nothing done | 95 % interval |", "|---|---|---|---|---|"]
    for metric in results["metrics"]:
        better, floor = "higher" if metric["higher_is_better"] else "lower", metric["floor"]
        value, interval = DASH, DASH
        if floor is not None:
            value = f"{floor['value']:.4g}"
            interval = "{:.4g} to {:.4g}".format(*interval_of(floor)) if floor["interval"] else DASH
        lines.append(f"| {metric['name']} | `{metric['key']}` | {better} | {value} | {interval} |")
    return lines


def damages(results: Results) -> list[str]:
    """What was done."""
    lines = ["| damage | what is done, and what the strength counts | strengths |", "|---|---|---|"]
    for damage in results["damages"]:
        strengths = ", ".join(f"{strength:g}" for strength in damage["strengths"])
        lines.append(f"| {damage['name']} | {damage['words']} | {strengths} |")
    return lines


def head(results: Results) -> list[str]:
    """What was measured."""
    return [
        f"{results['data']}. Real side: {results['real']}. Damaged: {results['fake']}, {results['num_frames']} "
        f"neighbouring frames of {results['size']}x{results['size']} each. Modes are {results['modes']}. Measured in "
        f"{results['minutes']:g} minutes on {results['threads']} core(s)."
    ]
