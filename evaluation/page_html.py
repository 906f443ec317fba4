"""The pieces of a page: plain HTML and a little style, nothing from outside, no script."""

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from evaluation.class_table import ClassRow
from evaluation.clip_set import ClipSet
from evaluation.shown_clips import Gallery

NONE = "-"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --faint: #888; --warning: #b45309; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .3rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p { max-width: 75ch; } .faint, figcaption { color: var(--faint); font-size: .85rem; }
.warning { color: var(--warning); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } summary { cursor: pointer; }
.card td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.map { max-width: 100%; background: #fff; border-radius: 4px; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1rem; }
.pair { border: 1px solid var(--line); border-radius: 6px; padding: .6rem; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; } figure { margin: 0; min-width: 0; }
figcaption { overflow-wrap: anywhere; } video, .strip { width: 100%; display: block; border-radius: 3px; }
.strip { margin-top: 3px; }
"""


def document(title: str, body: Sequence[str]) -> str:
    """A whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def paragraph(text: str, style: str = "") -> str:
    """A paragraph; `style` is the name of a style."""
    return f"<p{_style(style)}>{escape(text)}</p>"


def heading(text: str) -> str:
    """The heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], style: str = "") -> str:
    """A table; without `head` there is no first row of names."""
    first = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>\n" if head else ""
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table{_style(style)}>\n{first}{body}\n</table></div>'


def cards_table(cards: Sequence[dict[str, Any]]) -> str:
    """The values with their intervals, their warnings, and each whole card to unfold."""
    rows = [
        (
            str(card["key"]),
            number(card["value"]),
            interval(card),
            str(card.get("num_fake", "")),
            str(card.get("num_real") or NONE),
            str(card.get("feature_network") or NONE),
        )
        for card in cards
    ]
    parts = [table(("metric", "value", "95 % interval", "generated", "real", "features"), rows)]
    warnings: dict[str, list[str]] = {}
    for card in cards:
        for warning in card.get("warnings") or ():
            warnings.setdefault(str(warning), []).append(str(card["key"]))
    parts += [paragraph(f"{', '.join(keys)}: {warning}", "warning") for warning, keys in warnings.items()]
    for card in cards:
        fields = table((), [(name, _plain(value)) for name, value in card.items()], "card")
        parts.append(f"<details><summary>card of {escape(str(card['key']))}</summary>\n{fields}\n</details>")
    return "\n".join(parts)


def class_table(rows: Sequence[ClassRow]) -> str:
    """A row a class."""
    cells = [
        (
            row.name,
            str(row.num_real),
            str(row.num_fake),
            number(row.mean_distance),
            number(row.frechet),
            NONE if row.share_recognised is None else f"{row.share_recognised:.0%}",
        )
        for row in rows
    ]
    head = ("class", "real", "generated", "distance of means", "Frechet distance", "nearest real clip of this class")
    return table(head, cells)


def picture(folder: str, name: str, description: str) -> str:
    """An image of the page's folder."""
    return f'<img class="map" src="{quote(f"{folder}/{name}")}" alt="{escape(description, quote=True)}">'


def gallery(shown: Gallery, folder: str, files: dict[tuple[str, int], str]) -> str:
    """Pairs of clips, as videos with strips of their frames."""
    parts = []
    for pair in shown.pairs:
        figures = "".join(_figure(*clip, folder, files) for clip in (pair.shown, pair.beside))
        parts.append(f'<div class="pair"><div class="two">{figures}</div><div>{escape(pair.text)}</div></div>')
    return "\n".join([paragraph(shown.explanation), '<div class="gallery">', *parts, "</div>"])


def number(value: float | None) -> str:
    """Four digits, or a dash where there is no number."""
    return NONE if value is None else f"{value:.4g}"


def interval(card: dict[str, Any]) -> str:
    """The interval of a card, and the standard deviation where its protocol has one."""
    parts = []
    if card.get("interval"):
        parts.append("{} to {}".format(*map(number, card["interval"])))
    if card.get("standard_deviation") is not None:
        parts.append(f"sd {number(card['standard_deviation'])}")
    return ", ".join(parts) or NONE


def _figure(clips: ClipSet, index: int, folder: str, files: dict[tuple[str, int], str]) -> str:
    file = quote(f"{folder}/{files[clips.side, index]}")
    caption = escape(f"{clips.side}: {clips.names[index]}")
    return (
        f'<figure><video src="{file}.mp4" controls loop muted playsinline preload="metadata"></video>'
        f'<img class="strip" src="{file}.png" alt="frames of {caption}" loading="lazy">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _plain(value: object) -> str:
    """A field of a card in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(each)}" for name, each in value.items()) or NONE
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(each) for each in value) or NONE
    return NONE if value is None or value == "" else str(value)


def _style(style: str) -> str:
    return f' class="{style}"' if style else ""
