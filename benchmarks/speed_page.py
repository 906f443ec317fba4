"""What pages about speed share: a section for each part that was measured, and where it was."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.metrics_timing import Record

# Of each part, by its name: the title, and the lines that its record makes.
Sections = Mapping[str, tuple[str, Callable[[Record], list[str]]]]


def write_sections(title: str, about: str, sections: Sections, results: Path, document: Path) -> str:
    """Write a page from the parts' JSON files in `results`; what was written, in a line.

    Raises: SystemExit if there is none.
    """
    paths = {part: results / f"{part}.json" for part in sections}
    records = {part: json.loads(path.read_text()) for part, path in paths.items() if path.exists()}
    if not records:
        raise SystemExit(f"{document}: there are no results in {results}; measure first")
    lines = [f"# {title}", "", about, ""]
    for part, (heading, section) in sections.items():
        lines += [f"## {heading}", ""]
        lines += [machine_line(records[part]), "", *section(records[part])] if part in records else ["Not measured."]
        lines += [""]
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text("\n".join(lines).rstrip() + "\n")
    return f"{document}: {', '.join(records)}"


def machine_line(record: Record) -> str:
    """Where and with what a part was measured."""
    machine = record["machine"]
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    return (
        f"{machine['device']}, {machine['cores']} cores, {machine['threads']} thread(s) a process, {versions}; code "
        f"{machine['commit']}; "
        f"load average {machine['load_average_before']:g} before and {machine['load_average_after']:g} after."
    )


def percent(share: float) -> str:
    """To a tenth."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]
