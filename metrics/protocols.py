"""Names that state what was measured: the keys under which FID and FVD are logged.

    fid50k                        FID, 50,000 generated frames, Inception 2015-12-05
    fid4096/efficientnet_lite0    another feature network, so named in the key
    fvd2048_16f                   FVD, 2048 clips of 16 neighbouring frames, I3D Kinetics-400
    fvd2048_128f_subsample8f      2048 clips of 16 frames, every 8th of 128

The bare names belong to the published networks alone (StyleGAN-V, arXiv:2112.14683, names them so).
"""

from metrics.feature_network import FeatureNetwork


def fid_key(num_frames: int, network: FeatureNetwork) -> str:
    """Key of the FID of `num_frames` generated frames; thousands are written "50k".

    Raises: ValueError if the network has no frame features or the number is not positive.
    """
    _require(network, "fid")
    _require_positive(num_frames=num_frames)
    count = f"{num_frames // 1000}k" if num_frames % 1000 == 0 else str(num_frames)
    return f"fid{count}{_suffix(network)}"


def fvd_key(num_clips: int, num_frames: int, network: FeatureNetwork, frame_stride: int = 1) -> str:
    """Key of the FVD of `num_clips` generated clips.

    Args:
        num_frames: frames of a clip that the network gets.
        frame_stride: every how many-th frame of the generated and real clips these are; 1 for neighbouring frames.

    Raises: ValueError if the network has no clip features or a number is not positive.
    """
    _require(network, "fvd")
    _require_positive(num_clips=num_clips, num_frames=num_frames, frame_stride=frame_stride)
    thinned = f"_subsample{frame_stride}f" if frame_stride > 1 else ""
    return f"fvd{num_clips}_{num_frames * frame_stride}f{thinned}{_suffix(network)}"


def _suffix(network: FeatureNetwork) -> str:
    return "" if network.published else f"/{network.name}"


def _require(network: FeatureNetwork, metric: str) -> None:
    if metric not in network.num_features:
        offered = " and ".join(network.num_features)
        raise ValueError(f"{network.name} offers features for {offered}, not for {metric}; choose another network.")


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1; got {number}.")
