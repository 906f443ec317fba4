import copy

import pytest
import torch
from torch import nn

from losses.historical_averaging import HistoricalAveraging


def players() -> dict[str, nn.Module]:
    return {"generator": nn.Linear(3, 2), "discriminator": nn.Conv3d(3, 2, 1, bias=False)}


def attached(networks: dict[str, nn.Module], weight: float = 0.5) -> HistoricalAveraging:
    term = HistoricalAveraging(weight)
    term.attach(networks)
    return term


def move(network: nn.Module, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=rng)


def test_it_is_the_squared_distance_from_the_mean_of_all_weights_so_far() -> None:
    networks = players()
    term = attached(networks)
    history: dict[str, list[torch.Tensor]] = {"generator": [], "discriminator": []}
    for step in range(5):
        for player, network in networks.items():
            if player == "discriminator" and step % 2:
                continue  # each player has its own count
            move(network, step)
            weights = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
            history[player].append(weights)
            expected = 0.5 * (weights - torch.stack(history[player]).mean(dim=0)).square().sum()
            torch.testing.assert_close(term(player, network).detach(), expected)


def test_the_first_step_adds_nothing_and_the_mean_is_constant_in_the_gradient() -> None:
    networks = players()
    generator = networks["generator"]
    term = attached(networks, weight=3.0)
    term("generator", generator).backward()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in generator.parameters())
    first = generator.weight.detach().clone()
    move(generator, 1)
    term("generator", generator).backward()
    # theta - (theta_1 + theta) / 2 = (theta - theta_1) / 2
    torch.testing.assert_close(generator.weight.grad, 3.0 * 2 * (generator.weight.detach() - first) / 2)


def test_it_continues_exactly() -> None:
    networks = players()
    term = attached(networks)
    for step in range(3):
        move(networks["generator"], step)
        term("generator", networks["generator"])
    resumed = attached(copy.deepcopy(networks))
    resumed.load_state_dict(term.state_dict())
    move(networks["generator"], 9)
    assert torch.equal(term("generator", networks["generator"]), resumed("generator", networks["generator"]))
    assert term.state_dict()["generator_steps"] == 4 and term.state_dict()["discriminator_steps"] == 0


def test_float64_stays() -> None:
    network = nn.Linear(3, 2).double()
    term = attached({"generator": network})
    assert term("generator", network).dtype == term.generator_mean.dtype == torch.float64


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="weight of HistoricalAveraging is -1"):
        HistoricalAveraging(-1)
