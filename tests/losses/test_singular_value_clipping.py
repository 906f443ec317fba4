import pytest
import torch
from torch import Tensor, nn

from losses.singular_value_clipping import SingularValueClipping, clipped

LAYERS = [
    nn.Conv3d(3, 16, 4),
    nn.Conv3d(16, 1, (1, 4, 4)),
    nn.Conv2d(8, 300, (2, 2)),  # more output channels than the rest
    nn.Conv1d(8, 4, 3),
    nn.Linear(10, 30),
    nn.ConvTranspose3d(6, 4, 2),
]


def matrix(layer: nn.Module) -> Tensor:
    weight = layer.weight.detach().double()
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose3d) else weight).flatten(1)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_singular_values_are_clipped_to_one(layer: nn.Module) -> None:
    with torch.no_grad():
        layer.weight.copy_(layer.weight * 1.5 / torch.linalg.matrix_norm(matrix(layer), 2))
    left, values, right = torch.linalg.svd(matrix(layer), full_matrices=False)
    assert values.max() > 1
    bias = layer.bias.clone()
    SingularValueClipping(1).apply(layer, 0)
    torch.testing.assert_close(matrix(layer), left * values.clamp(max=1) @ right, atol=1e-6, rtol=0)
    assert torch.linalg.matrix_norm(matrix(layer), 2) <= 1 + 1e-5
    assert torch.equal(layer.bias, bias) and layer.weight.requires_grad


def test_small_singular_values_stay() -> None:
    weights = torch.randn(8, 20) * 0.01
    assert torch.equal(clipped(weights), weights)
    mixed = torch.diag(torch.tensor([4.0, 0.5, 1e-6]))
    torch.testing.assert_close(clipped(mixed), torch.diag(torch.tensor([1.0, 0.5, 1e-6])), atol=1e-9, rtol=0)


def test_gains_of_batch_norms_lie_below_the_running_deviation() -> None:
    norm = nn.BatchNorm3d(4, eps=0.0)
    norm.running_var.copy_(torch.tensor([0.25, 4.0, 4.0, 1.0]))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 1.0, -3.0, 0.001]))
    SingularValueClipping(1).apply(norm, 0)
    torch.testing.assert_close(norm.weight.detach(), torch.tensor([0.5, 1.0, 0.02, 0.01]))


def test_processes_agree_on_the_deviation(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two processes: this one has a variance of 1, the other one of 7.
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda values: values.add_(7))
    norm = nn.BatchNorm3d(1, eps=0.0)
    nn.init.constant_(norm.weight, 5.0)
    SingularValueClipping(1).apply(norm, 0)
    torch.testing.assert_close(norm.weight.detach(), torch.tensor([2.0]))
    assert norm.running_var == 1


def test_every_interval_th_update() -> None:
    constraint, clipped_at = SingularValueClipping(5), []
    for update in range(12):
        layer = nn.Linear(4, 4)
        nn.init.constant_(layer.weight, 1.0)  # its singular value is 4
        constraint.apply(layer, update)
        if layer.weight.max() < 1:
            clipped_at.append(update)
    assert clipped_at == [4, 9]


def test_frozen_weights_stay() -> None:
    critic = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    for layer in critic:
        nn.init.constant_(layer.weight, 5.0)
    critic[0].requires_grad_(False)
    critic[2].requires_grad_(False)
    SingularValueClipping(1).apply(critic, 0)
    assert (critic[0].weight == 5).all() and (critic[2].weight == 5).all() and (critic[1].weight < 1).all()


def test_a_bounded_network_is_lipschitz() -> None:
    critic = nn.Sequential(nn.Linear(12, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    for layer in critic:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight)
    first, second = torch.randn(2, 100, 12)
    slopes = lambda: ((critic(first) - critic(second)).squeeze(1).abs() / (first - second).norm(dim=1)).max()  # noqa: E731
    assert slopes() > 1
    SingularValueClipping(1).apply(critic, 0)
    assert slopes() <= 1


def test_an_interval_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="interval is 0"):
        SingularValueClipping(0)
