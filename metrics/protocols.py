"""Protocols with names: all that decides a number, as data; the name is the key under which the number is written.

    fvd2048_16f                       as published: FVD of StyleGAN-V, 2048 clips of 16 neighbouring frames
    fvd2048_128f_subsample8f          as published: 16 frames of each clip, every 8th of 128
    fvd256_16f/efficientnet_lite0     this project's, for any number of clips, length and feature network
    fid50k/inception_2015_12_05       this project's, 50,000 generated frames

A name without a network is a protocol that others have published, exactly so; `PUBLISHED` lists them.  A name that ends
in a network follows one rule for all counts: each video gives a clip before any gives a second one, from a random frame
on; there are as many real clips as generated ones; covariances are divided by N - 1.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from metrics.c3d import C3DNetwork, C3DTGANNetwork
from metrics.clip_rules import (
    DIGAN,
    END_TO_END,
    STYLEGAN_V,
    STYLEGAN_V_GENERATED,
    TATS,
    TATS_GENERATED,
    VIDEO_UNIFORM,
    VIDEOGPT,
    ClipRule,
)
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.estimators import (
    Estimator,
    Frechet,
    InceptionScore,
    KernelDistance,
    KernelSubsets,
    Memorisation,
    PrecisionRecall,
)
from metrics.feature_network import FeatureNetwork
from metrics.i3d import I3DNetwork, I3DPretrained400Network
from metrics.inception import InceptionV3Network
from metrics.motion_features import MotionFeatures
from metrics.resizing import Resize
from metrics.torchscript_network import C3DTorchScriptNetwork, I3DTorchScriptNetwork

NETWORKS: dict[str, type[FeatureNetwork]] = {
    network.name: network
    for network in (
        EfficientNetLite0,
        InceptionV3Network,
        I3DTorchScriptNetwork,
        I3DPretrained400Network,
        I3DNetwork,
        C3DTorchScriptNetwork,
        C3DNetwork,
        C3DTGANNetwork,
        MotionFeatures,
    )
}


@dataclass(frozen=True)
class Protocol:
    """A way to measure a set of clips.

    Args:
        name: the key; a protocol of several numbers has one key for each, see `keys`.
        source: who measures so, with the place in their code where the paper is silent.
        estimator: what makes numbers of the features.
        network: whose features.
        num_clips: generated clips, exactly.
        num_real: real clips at most; None: all that `real_rule` gives.
        num_frames: frames of a clip that the network gets.
        frame_stride: every how many-th frame of a video these are.
        real_rule, fake_rule: which clips of the real and, where these are files, of the generated videos.
        resize: to the network's size, if another way than its default.
        frame_size: pixels of height and width that both sides are brought to before; None: as the generated clips.
        num_trials: how often clips are chosen and measured anew; the value is the mean.
    """

    name: str
    source: str
    estimator: Estimator
    network: type[FeatureNetwork]
    num_clips: int
    num_real: int | None
    num_frames: int = 16
    frame_stride: int = 1
    real_rule: ClipRule = VIDEO_UNIFORM
    fake_rule: ClipRule = STYLEGAN_V_GENERATED
    resize: Resize | None = None
    frame_size: int | None = None
    num_trials: int = 1

    @property
    def keys(self) -> dict[str, str]:
        """The key of each number, by the estimator's name for it: `precision2048_16f/...` of `prdc2048_16f/...`."""
        return {name: self.name.replace("prdc", name, 1) if name else self.name for name in self.estimator.names}

    def build_network(self, weights: str | None = None) -> FeatureNetwork:
        """The feature network, its weights not yet loaded; they are in the file `weights`, or in the usual place.

        Raises: ValueError if a file is given for a network without weights.
        """
        if weights is None:
            return self.network(resize=self.resize)
        if not hasattr(self.network, "weight_file"):
            raise ValueError(f"{self.network.name} has no weights; give no file for it")
        return self.network(weights=weights, resize=self.resize)


_STYLEGAN_V = "StyleGAN-V (Skorokhodov et al. 2022, arXiv:2112.14683), src/metrics/metric_main.py"
_FVD_STYLEGAN_V = Protocol(
    "fvd2048_16f",
    _STYLEGAN_V,
    Frechet("fvd", unbiased=False),
    I3DTorchScriptNetwork,
    num_clips=2048,
    num_real=2048,
    real_rule=STYLEGAN_V,
)
_FVD_I3D_400 = Protocol(
    "fvd256_16f_videogpt",
    "VideoGPT (Yan et al. 2021, arXiv:2104.10157), scripts/compute_fvd.py",
    Frechet("fvd"),
    I3DPretrained400Network,
    num_clips=256,
    num_real=256,
    real_rule=VIDEOGPT,
    resize=Resize(224, "bilinear", crop=True),
)
_FVD_DIGAN = replace(
    _FVD_I3D_400,
    name="fvd2048_16f_digan",
    source="DIGAN (Yu et al. 2022, arXiv:2202.10571), src/scripts/compute_fvd_kvd.py",
    num_clips=2048,
    num_real=2048,
    real_rule=DIGAN,
    frame_size=128,
    num_trials=10,
)
_FID = Protocol(
    "fid50k",
    "torch-fidelity (Obukhov et al. 2020), with the Inception network and resize of the FID paper (arXiv:1706.08500)",
    Frechet("fid"),
    InceptionV3Network,
    num_clips=3125,
    num_real=3125,
)
PUBLISHED: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _FVD_STYLEGAN_V,
        replace(_FVD_STYLEGAN_V, name="fvd2048_128f", num_frames=128),
        replace(_FVD_STYLEGAN_V, name="fvd2048_128f_subsample8f", frame_stride=8),
        _FVD_I3D_400,
        _FVD_DIGAN,
        replace(
            _FVD_I3D_400,
            name="fvd2048_16f_tats",
            source="TATS (Ge et al. 2022, arXiv:2204.03638), tats/fvd/fvd.py",
            num_clips=2048,
            num_real=2048,
            real_rule=TATS,
            fake_rule=TATS_GENERATED,
            resize=None,
        ),
        replace(
            _FVD_STYLEGAN_V,
            name="fvd2048_16f_tf",
            source="Unterthiner et al. 2018 (arXiv:1812.01717), frechet_video_distance.py; its users choose the clips",
            estimator=Frechet("fvd"),
            real_rule=VIDEO_UNIFORM,
            resize=Resize(224, "bilinear_tf1"),
        ),
        _FID,
        replace(
            _FID,
            name="fid50k_clean",
            source="clean-fid (Parmar et al. 2022, arXiv:2104.11222), mode clean",
            resize=Resize(299, "bicubic_pil"),
        ),
        replace(
            _FID,
            name="fid50k_full",
            source=f"{_STYLEGAN_V}; its network is the same TensorFlow graph in another file",
            estimator=Frechet("fid", unbiased=False),
            num_real=None,
            real_rule=END_TO_END,
        ),
        replace(
            _FID,
            name="kid50k_x1000",
            source="KID (Binkowski et al. 2018, arXiv:1801.01401) as torch-fidelity, times 1000",
            estimator=KernelSubsets("fid", num_subsets=100, subset_size=1000, factor=1000.0),
        ),
        replace(_FVD_DIGAN, name="kvd2048_16f_digan", estimator=KernelDistance("fvd")),
        Protocol(
            "is10000_16f_tgan",
            "TGAN (Saito et al. 2017, arXiv:1611.06624), evaluation/calc_inception.py",
            InceptionScore("is", num_splits=1),
            C3DTGANNetwork,
            num_clips=10_000,
            num_real=None,
        ),
        Protocol(
            "is2048_16f_tganv2",
            "TGANv2 (Saito et al. 2020, arXiv:1811.09245), scripts/compute_inception_score.py: ten times 2048 clips",
            InceptionScore("is", num_splits=10),
            C3DNetwork,
            num_clips=20_480,
            num_real=None,
        ),
        Protocol(
            "isv2048_ucf",
            f"{_STYLEGAN_V}; 10 splits of about 205 clips, so not comparable with TGAN's",
            InceptionScore("is", num_splits=10, shuffle_seed=42),
            C3DTorchScriptNetwork,
            num_clips=2048,
            num_real=None,
        ),
        replace(
            _FID,
            name="is50k",
            source="Inception score of frames (Salimans et al. 2016, arXiv:1606.03498) as torch-fidelity",
            estimator=InceptionScore("is", num_splits=10, shuffle_seed=2020),
            num_real=None,
        ),
    )
}
# This project's own: what a name begins with, and what is measured; of clips, and of frames.
OF_CLIPS: dict[str, Estimator] = {
    "fvd": Frechet("fvd"),
    "kvd": KernelDistance("fvd"),
    "prdc": PrecisionRecall("fvd"),
    "is": InceptionScore("is"),
    "memorisation": Memorisation("fvd"),
}
OF_FRAMES: dict[str, Estimator] = {
    "fid": Frechet("fid"),
    "kid": KernelSubsets("fid"),
    "prdc": PrecisionRecall("fid"),
    "is": InceptionScore("is"),
}
_NAME_OF_CLIPS = re.compile(r"([a-z]+)([1-9]\d*)_([1-9]\d*)f(?:_subsample([1-9]\d*)f)?/(\w+)")
_NAME_OF_FRAMES = re.compile(r"([a-z]+)([1-9]\d*)(k?)/(\w+)")
FORMS = "fvd256_16f/NETWORK, fvd256_128f_subsample8f/NETWORK, fid4096/NETWORK"


def protocol_named(name: str, frames_per_clip: int = 16) -> Protocol:
    """The protocol of a name: a published one, or one of this project's.

    Args:
        frames_per_clip: of those whose names count frames (`fid4k/...`): the clips that they are taken from.

    Raises: ValueError, with the nearest name or the names that there are, if there is none.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    if match := _NAME_OF_CLIPS.fullmatch(name):
        family, clips, span, stride, network = match.groups()
        return _of_clips(name, family, int(clips), int(span), int(stride or 1), network)
    if match := _NAME_OF_FRAMES.fullmatch(name):
        family, number, thousands, network = match.groups()
        return _of_frames(name, family, int(number) * (1000 if thousands else 1), frames_per_clip, network)
    raise ValueError(f"there is no protocol {name!r}{nearest(name, PUBLISHED)}, or one like {FORMS}")


def _of_clips(name: str, family: str, num_clips: int, span: int, stride: int, network: str) -> Protocol:
    if span % stride:
        raise ValueError(f"{name}: every {stride}th of {span} frames is no whole number of frames")
    protocol = Protocol(
        name,
        "Kinogan",
        _known(name, family, OF_CLIPS, "clips"),
        _network(name, network),
        num_clips,
        num_real=num_clips,
        num_frames=span // stride,
        frame_stride=stride,
    )
    if family == "memorisation":  # the whole training set
        return replace(protocol, num_real=None, real_rule=END_TO_END)
    return protocol


def _of_frames(name: str, family: str, num_frames: int, frames_per_clip: int, network: str) -> Protocol:
    if num_frames % frames_per_clip:
        raise ValueError(
            f"{name}: the frames are those of clips of {frames_per_clip}, so take a multiple of {frames_per_clip}"
        )
    num_clips = num_frames // frames_per_clip
    return Protocol(
        name,
        "Kinogan",
        _known(name, family, OF_FRAMES, "frames"),
        _network(name, network),
        num_clips,
        num_real=num_clips,
        num_frames=frames_per_clip,
    )


def _known(name: str, family: str, families: dict[str, Estimator], what: str) -> Estimator:
    if family not in families:
        raise ValueError(f"{name}: nothing of {what} is called {family!r}; there are {', '.join(families)}")
    return families[family]


def _network(name: str, network: str) -> type[FeatureNetwork]:
    if network not in NETWORKS:
        raise ValueError(f"{name}: there is no feature network {network!r}{nearest(network, NETWORKS)}")
    return NETWORKS[network]


def nearest(name: str, names: Iterable[str]) -> str:
    """'; did you mean X?', or all names where nothing is near."""
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(names)}"


def fid_key(num_frames: int, network: FeatureNetwork) -> str:
    """The name of this project's FID of `num_frames` generated frames; thousands are written "50k".

    Raises: ValueError if the network has no frame features or the number is not positive.
    """
    _require(network, "fid")
    _require_positive(num_frames=num_frames)
    count = f"{num_frames // 1000}k" if num_frames % 1000 == 0 else str(num_frames)
    return f"fid{count}/{network.name}"


def fvd_key(num_clips: int, num_frames: int, network: FeatureNetwork, frame_stride: int = 1) -> str:
    """The name of this project's FVD of `num_clips` generated clips.

    Args:
        num_frames: frames of a clip that the network gets.
        frame_stride: every how many-th frame of the generated and real clips these are; 1 for neighbouring frames.

    Raises: ValueError if the network has no clip features or a number is not positive.
    """
    _require(network, "fvd")
    _require_positive(num_clips=num_clips, num_frames=num_frames, frame_stride=frame_stride)
    thinned = f"_subsample{frame_stride}f" if frame_stride > 1 else ""
    return f"fvd{num_clips}_{num_frames * frame_stride}f{thinned}/{network.name}"


def _require(network: FeatureNetwork, metric: str) -> None:
    if metric not in network.num_features:
        offered = " and ".join(network.num_features)
        raise ValueError(f"{network.name} offers features for {offered}, not for {metric}; choose another network.")


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1; got {number}.")
