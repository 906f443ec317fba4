"""A feature network without weights, for tests of what is around one."""

import torch
from torch import Tensor, nn

from metrics.feature_network import FeatureNetwork


class SmallNetwork(FeatureNetwork):
    """Means of the four quarters of each channel: 12 numbers a frame, their means over time for a clip."""

    name = "quarters"
    num_features = {"fid": 12, "fvd": 12}  # noqa: RUF012
    resize = "none"
    min_frames = 2
    builds = 0

    @property
    def weights_sha256(self) -> str:
        return "0" * 64

    def build(self) -> nn.Module:
        self.builds += 1
        return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        frames = clips.transpose(1, 2).flatten(0, 1).float()  # (N * T, 3, H, W)
        rows = network(frames)
        return {"fid": rows, "fvd": rows.unflatten(0, (len(clips), -1)).mean(1)}


def random_clips(num_clips: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num_clips, 3, 4, 8, 8), generator=rng, dtype=torch.uint8)
