"""The blocks of Inception V3 (Szegedy et al. 2015, arXiv:1512.00567, Fig. 5 to 7), as of 2015-12-05."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: str = "valid",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def _average_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


class BlockA(nn.Module):
    """35 x 35: branches 1x1, 5x5, double 3x3, pooling."""

    def __init__(self, in_channels: int, pool_features: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(in_channels, 64, 1)
        self.branch5x5_1 = Conv(in_channels, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding="same")
        self.branch3x3dbl_1 = Conv(in_channels, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding="same")
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding="same")
        self.branch_pool = Conv(in_channels, pool_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, 35, 35) -> (N, 224 + pool_features, 35, 35)."""
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), wide, double, self.branch_pool(_average_pool(x))], dim=1)


class BlockB(nn.Module):
    """35 x 35 -> 17 x 17: branches 3x3, double 3x3, pooling."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(in_channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(in_channels, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding="same")
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, 35, 35) -> (N, 480 + in_channels, 17, 17)."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, kernel_size=3, stride=2)], dim=1)


class BlockC(nn.Module):
    """17 x 17: branches 1x1, 7x7, double 7x7, pooling; every 7x7 as 1x7 and 7x1."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(in_channels, 192, 1)
        self.branch7x7_1 = Conv(in_channels, width, 1)
        self.branch7x7_2 = Conv(width, width, (1, 7), padding="same")
        self.branch7x7_3 = Conv(width, 192, (7, 1), padding="same")
        self.branch7x7dbl_1 = Conv(in_channels, width, 1)
        self.branch7x7dbl_2 = Conv(width, width, (7, 1), padding="same")
        self.branch7x7dbl_3 = Conv(width, width, (1, 7), padding="same")
        self.branch7x7dbl_4 = Conv(width, width, (7, 1), padding="same")
        self.branch7x7dbl_5 = Conv(width, 192, (1, 7), padding="same")
        self.branch_pool = Conv(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, 17, 17) -> (N, 768, 17, 17)."""
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(_average_pool(x))], dim=1)


class BlockD(nn.Module):
    """17 x 17 -> 8 x 8: branches 3x3, 7x7 with 3x3, pooling."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(in_channels, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(in_channels, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7), padding="same")
        self.branch7x7x3_3 = Conv(192, 192, (7, 1), padding="same")
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, 17, 17) -> (N, 512 + in_channels, 8, 8)."""
        small = self.branch3x3_2(self.branch3x3_1(x))
        wide = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([small, wide, F.max_pool2d(x, kernel_size=3, stride=2)], dim=1)


class BlockE(nn.Module):
    """8 x 8: branches 1x1, forked 3x3, double forked 3x3, pooling, which is by maximum in the last block."""

    def __init__(self, in_channels: int, max_pool: bool) -> None:
        super().__init__()
        self.max_pool = max_pool
        self.branch1x1 = Conv(in_channels, 320, 1)
        self.branch3x3_1 = Conv(in_channels, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3), padding="same")
        self.branch3x3_2b = Conv(384, 384, (3, 1), padding="same")
        self.branch3x3dbl_1 = Conv(in_channels, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding="same")
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), padding="same")
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), padding="same")
        self.branch_pool = Conv(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, 8, 8) -> (N, 2048, 8, 8)."""
        fork = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, kernel_size=3, stride=1, padding=1) if self.max_pool else _average_pool(x)
        single = torch.cat([self.branch3x3_2a(fork), self.branch3x3_2b(fork)], dim=1)
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], dim=1)
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(pooled)], dim=1)
