import dataclasses
import json

import pytest

from metrics.clip_rules import END_TO_END, STYLEGAN_V, VIDEO_UNIFORM
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.estimators import Frechet, KernelSubsets
from metrics.i3d import I3DNetwork, I3DPretrained400Network
from metrics.inception import InceptionV3Network
from metrics.protocols import NETWORKS, PUBLISHED, Protocol, fid_key, fvd_key, protocol_named
from metrics.resizing import Resize
from metrics.torchscript_network import I3DTorchScriptNetwork


def test_published_names_are_their_own() -> None:
    assert all(name == protocol.name for name, protocol in PUBLISHED.items())
    assert len({protocol.name for protocol in PUBLISHED.values()}) == len(PUBLISHED) == 16


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_protocol_can_be_measured(name: str) -> None:
    protocol = PUBLISHED[name]
    network = protocol.build_network()
    assert protocol.estimator.features in network.num_features
    assert network.min_frames <= protocol.num_frames <= (network.max_frames or protocol.num_frames)
    assert NETWORKS[network.name] is protocol.network
    assert "20" in protocol.source  # a paper's year, an arXiv number, or both
    json.dumps([protocol.estimator.as_dict(), protocol.real_rule.as_dict(), protocol.fake_rule.as_dict()])


def test_fvd_as_stylegan_v() -> None:
    protocol = protocol_named("fvd2048_16f")
    assert (protocol.network, protocol.estimator) == (I3DTorchScriptNetwork, Frechet("fvd", unbiased=False))
    assert (protocol.num_clips, protocol.num_real, protocol.real_rule) == (2048, 2048, STYLEGAN_V)
    long, thinned = protocol_named("fvd2048_128f"), protocol_named("fvd2048_128f_subsample8f")
    assert (long.num_frames, long.frame_stride) == (128, 1)
    assert (thinned.num_frames, thinned.frame_stride) == (16, 8)


def test_what_the_field_does_differently() -> None:
    """Crop or stretch, N or N - 1, counts, trials, real clips."""
    videogpt, digan, tats = (
        protocol_named(f"fvd{name}") for name in ("256_16f_videogpt", "2048_16f_digan", "2048_16f_tats")
    )
    assert {each.network for each in (videogpt, digan, tats)} == {I3DPretrained400Network}
    assert [each.build_network().resize for each in (videogpt, tats)] == [
        str(Resize(224, "bilinear", crop=True)),
        str(Resize(224, "bilinear")),
    ]
    assert [each.num_trials for each in (videogpt, digan, tats)] == [1, 10, 1]
    assert all(each.estimator.covariance_divisor == "N - 1" for each in (videogpt, digan, tats))
    assert protocol_named("fid50k_full").estimator.covariance_divisor == "N"
    assert protocol_named("fid50k_full").num_real is None
    assert protocol_named("fid50k_full").num_clips * 16 == 50_000
    assert protocol_named("kid50k_x1000").estimator == KernelSubsets("fid", 100, 1000, 1000.0)
    differing = [
        (a.name, b.name) for a in PUBLISHED.values() for b in PUBLISHED.values() if a.name < b.name and same(a, b)
    ]
    assert not differing


def same(a: Protocol, b: Protocol) -> bool:
    """Whether two protocols differ in their names alone."""
    return dataclasses.replace(a, name="", source="") == dataclasses.replace(b, name="", source="")


def test_names_of_this_projects_own() -> None:
    protocol = protocol_named("fvd256_128f_subsample8f/efficientnet_lite0")
    assert (protocol.num_clips, protocol.num_frames, protocol.frame_stride) == (256, 16, 8)
    assert (protocol.network, protocol.real_rule, protocol.num_real) == (EfficientNetLite0, VIDEO_UNIFORM, 256)
    assert protocol_named("fid4k/inception_2015_12_05").num_clips == 250
    assert protocol_named("fid4096/efficientnet_lite0", frames_per_clip=8).num_clips == 512
    training = protocol_named("memorisation64_16f/efficientnet_lite0")
    assert (training.num_real, training.real_rule) == (None, END_TO_END)
    assert list(protocol_named("prdc64_16f/efficientnet_lite0").keys.values()) == [
        f"{name}64_16f/efficientnet_lite0" for name in ("precision", "recall", "density", "coverage")
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fvd2048_16", "did you mean 'fvd2048_16f'"),
        ("fvd", "fvd256_16f/NETWORK"),
        ("fvd0_16f/efficientnet_lite0", "no protocol"),
        ("fvd256_16f/efficientnet_lite", "did you mean 'efficientnet_lite0'"),
        ("fvd256_15f_subsample8f/efficientnet_lite0", "no whole number of frames"),
        ("fid4000/efficientnet_lite0/x", "no protocol"),
        ("fid4001/efficientnet_lite0", "multiple of 16"),
        ("abc256_16f/efficientnet_lite0", "there are fvd, kvd, prdc"),
        ("fvd4096/efficientnet_lite0", "nothing of frames is called 'fvd'"),
    ],
)
def test_a_name_that_is_none(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        protocol_named(name)


@pytest.mark.parametrize(("number", "name"), [(1, "fid1"), (999, "fid999"), (1000, "fid1k"), (10_500, "fid10500")])
def test_counts_of_frames(number: int, name: str) -> None:
    assert fid_key(number, InceptionV3Network()) == f"{name}/inception_2015_12_05"


def test_the_keys_of_training_are_names_of_protocols() -> None:
    """And none is a bare one: those are promises about the choice of clips, too."""
    network = EfficientNetLite0()
    assert fvd_key(256, 16, network) == "fvd256_16f/efficientnet_lite0"
    assert fvd_key(256, 16, network, frame_stride=8) == "fvd256_128f_subsample8f/efficientnet_lite0"
    for key in (fvd_key(256, 16, network), fid_key(4096, network), fvd_key(2048, 16, I3DNetwork(), frame_stride=8)):
        assert protocol_named(key).name == key


def test_what_a_network_does_not_offer() -> None:
    with pytest.raises(ValueError, match="offers features for fid"):
        fvd_key(16, 16, InceptionV3Network())
    with pytest.raises(ValueError, match="not for fid"):
        fid_key(16, I3DNetwork())
    with pytest.raises(ValueError, match="frame_stride must be at least 1"):
        fvd_key(16, 16, I3DNetwork(), frame_stride=0)
