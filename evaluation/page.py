"""The page of an evaluation: its cards, where the clips lie in feature space, its classes, and clips to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation import page_html
from evaluation.class_table import class_rows
from evaluation.clip_set import ClipSet
from evaluation.feature_map import draw_feature_map
from evaluation.shown_clips import Gallery, PairedScores, by_distance, by_score, copies, write_clips


def write_page(
    path: Path,
    cards: Sequence[dict[str, Any]],
    real: ClipSet,
    fake: ClipSet,
    fps: float,
    class_names: Sequence[str] = (),
    training: ClipSet | None = None,
    scores: PairedScores | None = None,
    title: str = "Evaluation",
    notes: Sequence[str] = (),
    num_shown: int = 6,
) -> None:
    """Write an HTML file that needs nothing but the pictures and videos in the folder <name>_files beside it.

    Args:
        path: of the file, ending in ".html"; its folder is made, and a page of this name replaced.
        cards: what was measured, each as `MetricCard.as_dict` gives it.
        real, fake: the clips; where both have features there are a map of them and the best and worst clips by
            distance; where both have labels, too, a table of the classes.
        fps: of the clips, for the videos.
        class_names: of the labels.
        training: clips that the generator was trained with, where copies of them are looked for.
        scores: of a paired task; then they tell the best and the worst clips.
        title, notes: heading, and lines below it, such as what was measured.
        num_shown: clips in each gallery, at least 1.

    Raises: ValueError, in one line, if an argument is not as above.
    """
    if path.suffix != ".html" or num_shown < 1:
        raise ValueError(f"a page is called something.html and shows at least 1 clip; got {path.name}, {num_shown}")
    folder = path.with_name(f"{path.stem}_files")
    folder.mkdir(parents=True, exist_ok=True)
    body = [page_html.paragraph(note, "faint") for note in notes]
    body += [page_html.heading("Metrics"), page_html.cards_table(cards)]
    if real.features is not None and fake.features is not None:
        draw_feature_map(folder / "feature_map.png", real, fake, class_names)
        body += [
            page_html.heading("Feature space"),
            page_html.picture(folder.name, "feature_map.png", "principal axes of the features"),
            page_html.paragraph(_about_map(real, fake), "faint"),
        ]
        if real.labels is not None and fake.labels is not None and class_names:
            body += [page_html.heading("Classes"), page_html.class_table(class_rows(real, fake, class_names))]
            body += [page_html.paragraph(_about_classes(real.features.shape[1]), "faint")]
    galleries = chosen_galleries(real, fake, training, scores, num_shown)
    files = write_clips(folder, galleries, fps)
    for gallery in galleries:
        body += [page_html.heading(gallery.title), page_html.gallery(gallery, folder.name, files)]
    part = path.with_suffix(".html.part")
    part.write_text(page_html.document(title, body), encoding="utf-8")
    part.replace(path)


def chosen_galleries(
    real: ClipSet, fake: ClipSet, training: ClipSet | None, scores: PairedScores | None, num_shown: int
) -> list[Gallery]:
    """What there is to show, as far as features and scores tell."""
    galleries = []
    if scores is not None:
        galleries += by_score(real, fake, scores, num_shown)
    elif real.features is not None and fake.features is not None:
        galleries += by_distance(real, fake, num_shown)
    if training is not None and training.features is not None and fake.features is not None:
        galleries.append(copies(fake, training, num_shown))
    return galleries


def _about_map(real: ClipSet, fake: ClipSet) -> str:
    assert real.features is not None
    return (
        f"Each point is a clip: its {real.features.shape[1]} features on the two axes along which all clips vary most. "
        f"There are {len(real)} real and {len(fake)} generated clips. Points apart are different; points together may "
        "differ in what these axes do not show."
    )


def _about_classes(num_features: int) -> str:
    return (
        "Distance of means: Euclidean, between the mean features of the real and the generated clips of a class. "
        f"Frechet distance: only where both have more clips than there are features ({num_features}). Nearest real "
        "clip of this class: share of the generated clips whose nearest real clip is of the class that was asked for."
    )
