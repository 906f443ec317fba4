import pytest

from metrics.efficientnet_lite import EfficientNetLite0
from metrics.i3d import I3DNetwork
from metrics.inception import InceptionV3Network
from metrics.protocols import fid_key, fvd_key
from metrics.torchscript_network import I3DTorchScriptNetwork


def test_bare_names_belong_to_the_published_networks() -> None:
    assert fid_key(50_000, InceptionV3Network()) == "fid50k"
    assert fvd_key(2048, 16, I3DTorchScriptNetwork()) == "fvd2048_16f"
    assert fvd_key(2048, 16, I3DNetwork()) == "fvd2048_16f/i3d_rgb_imagenet"
    assert fid_key(4096, EfficientNetLite0()) == "fid4096/efficientnet_lite0"
    assert fvd_key(256, 16, EfficientNetLite0()) == "fvd256_16f/efficientnet_lite0"


@pytest.mark.parametrize(("number", "name"), [(1000, "fid1k"), (1001, "fid1001"), (500, "fid500"), (10_000, "fid10k")])
def test_thousands(number: int, name: str) -> None:
    assert fid_key(number, InceptionV3Network()) == name


def test_thinned_clips_are_named_as_stylegan_v_names_them() -> None:
    assert fvd_key(2048, 16, I3DTorchScriptNetwork(), frame_stride=8) == "fvd2048_128f_subsample8f"
    assert fvd_key(2048, 128, I3DTorchScriptNetwork()) == "fvd2048_128f"


def test_impossible_protocols_are_refused() -> None:
    with pytest.raises(ValueError, match="inception_2015_12_05 offers features for fid and is, not for fvd"):
        fvd_key(16, 16, InceptionV3Network())
    with pytest.raises(ValueError, match="i3d_rgb_imagenet offers features for fvd, not for fid"):
        fid_key(16, I3DNetwork())
    with pytest.raises(ValueError, match="frame_stride must be at least 1; got 0"):
        fvd_key(16, 16, I3DNetwork(), frame_stride=0)
