import pytest
import torch
from torch import Tensor, nn

from metrics.folding import fold_normalisation


class Layers(nn.Module):
    """Convolution, normalisation, and a normalisation that follows no convolution."""

    def __init__(self, convolution: nn.Module, norm: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.first = nn.Sequential(convolution, norm, nn.ReLU())
        self.last = last
        for module in (norm, last):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.1, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("num_axes", [2, 3])
def test_folded_layers_compute_the_same(num_axes: int, bias: bool) -> None:
    convolution, norm = ((nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))[num_axes - 2]
    layers = Layers(convolution(3, 4, 3, bias=bias), norm(4, eps=1e-3), norm(4)).eval()
    x = torch.randn(2, 3, *[6] * num_axes)
    expected = layers(x)
    fold_normalisation(layers)
    assert [type(layer) for layer in layers.first] == [convolution, nn.Identity, nn.ReLU]
    assert type(layers.last) is norm
    torch.testing.assert_close(layers(x), expected, rtol=0, atol=1e-5)


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        fold_normalisation(Layers(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)))
