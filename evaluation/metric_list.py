"""`evaluate.py --metrics list`: the names of what can be measured."""

from evaluation.results import aligned
from metrics.protocols import NETWORKS, OF_CLIPS, OF_FRAMES, PUBLISHED
from metrics.score_protocols import PERCEPTUAL_INDEX, SCORES


def metric_list() -> str:
    """Every published protocol with its source, every score, and how this project's own names are made."""
    of_clips, of_frames = ([*families][1:] for families in (OF_CLIPS, OF_FRAMES))
    networks = [
        (f"  {name}", " ".join(network.num_features), f"{shown_length(network.min_frames, network.max_frames)}")
        for name, network in NETWORKS.items()
    ]
    scores = [f"  {family}_16f" for family in (*SCORES, PERCEPTUAL_INDEX)]
    return "\n".join(
        [
            "as published, counts and all:",
            *aligned([(f"  {name}", protocol.source) for name, protocol in PUBLISHED.items()]),
            "",
            "this project's, for any number of clips, length and network:",
            f"  of clips:   fvd256_16f/NETWORK, fvd256_128f_subsample8f/NETWORK; instead of fvd: {', '.join(of_clips)}",
            f"  of frames:  fid4096/NETWORK, fid50k/NETWORK; instead of fid: {', '.join(of_frames)}",
            "  (prdc: precision, recall, density, coverage; memorisation: real videos are those of the training)",
            "",
            "networks, what they offer (fid: of frames, fvd: of clips, is: logits), and clips of how many frames:",
            *aligned(networks),
            "",
            "scores of single clips, for any length:",
            *scores,
            f"  paired ones also as psnr_16f_best_of_10; {PERCEPTUAL_INDEX} needs --ma_scores",
        ]
    )


def shown_length(least: int, most: int | None) -> str:
    """Frames of a clip."""
    if most is None:
        return f"{least} or more"
    return f"{least}" if least == most else f"{least} to {most}"
