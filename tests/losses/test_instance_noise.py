import math

import pytest
import torch

from losses.instance_noise import InstanceNoise, gaussian_field


def seeds(count: int) -> torch.Tensor:
    return InstanceNoise().sample_noise(count, torch.Generator().manual_seed(0))["seed"]


def test_bits_are_those_of_splitmix64() -> None:
    # The first outputs for seed 1234567 that the published C code prints.
    outputs = [6457827717110365317, 3203168211198807973]
    uniform = [(((z >> 40) + 1) / 2**24, ((z >> 16) & (2**24 - 1)) / 2**24) for z in outputs]
    cosines = [math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v) for u, v in uniform]
    sines = [math.sqrt(-2 * math.log(u)) * math.sin(2 * math.pi * v) for u, v in uniform]
    torch.testing.assert_close(gaussian_field(torch.tensor([1234567]), 4)[0], torch.tensor(cosines + sines))


def test_the_field_is_normal() -> None:
    values = gaussian_field(seeds(4), 100_000).flatten()
    assert values.mean().abs() < 0.005 and (values.std() - 1).abs() < 0.005
    for limit in (0.5, 1.0, 2.0, 3.0):
        assert float((values.abs() < limit).float().mean()) == pytest.approx(math.erf(limit / math.sqrt(2)), abs=0.003)
    assert values.abs().max() < 5.8


def test_the_field_is_white() -> None:
    num_values = 2**16
    field = gaussian_field(torch.cat([seeds(3), seeds(1) + 1]), num_values)  # a seed's neighbour is another stream
    limit = 5 / math.sqrt(num_values)
    correlations = field @ field.T / num_values - torch.eye(4)
    assert correlations.abs().max() < limit
    for lag in (1, 2, 32, 4096, num_values // 2):
        for powers in (1, 2):  # the halves are cosine and sine of the same radius: their squares must not show it
            shifted = field[:, lag:] ** powers * field[:, :-lag] ** powers
            assert (shifted.mean(dim=1) - (powers - 1)).abs().max() < 6 * limit


def test_the_noise_of_a_clip_depends_on_its_seed_alone() -> None:
    noise = InstanceNoise(sigma=1.0)
    drawn = noise.sample_noise(5, torch.Generator().manual_seed(0))
    clips = torch.zeros(5, 3, 2, 8, 8)
    noisy = noise(clips, drawn)
    assert torch.equal(noise(clips[3:4], {"seed": drawn["seed"][3:4]}), noisy[3:4])
    assert torch.equal(noise(clips + 1, drawn) - 1, (noisy + 1) - 1)
    assert not torch.equal(noisy[0], noisy[1])
    assert not torch.equal(noisy[:, :, 0], noisy[:, :, 1])  # every frame has its own


def test_sigma_goes_to_0() -> None:
    noise = InstanceNoise(sigma=0.5, decay_clips=100)
    clips, drawn = torch.zeros(4, 3, 4, 32, 32), {"seed": seeds(4)}
    for expected in (0.5, 0.3, 0.1, 0.0, 0.0):
        assert float(noise(clips, drawn).std()) == pytest.approx(expected, rel=0.02)
        assert float(noise.current_sigma()) == pytest.approx(expected)
        logged = noise.adapt(torch.tensor(0.0), 40)
    assert logged["instance_noise_sigma"] == 0
    again = InstanceNoise(sigma=0.5, decay_clips=100)
    again.load_state_dict(noise.state_dict())
    assert again.current_sigma() == 0
    constant = InstanceNoise(sigma=0.5)
    assert constant.adapt(torch.tensor(0.0), 10**9)["instance_noise_sigma"] == 0.5


def test_no_noise_is_made_where_sigma_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    def gaussian_field(seeds: torch.Tensor, num_values: int) -> torch.Tensor:
        raise AssertionError("noise was made")

    monkeypatch.setattr("losses.instance_noise.gaussian_field", gaussian_field)
    clips, drawn = torch.rand(2, 3, 4, 8, 8), {"seed": seeds(2)}
    assert torch.equal(InstanceNoise(sigma=0.0)(clips, drawn), clips)
    noise = InstanceNoise(sigma=0.5, decay_clips=10)
    with pytest.raises(AssertionError, match="noise was made"):
        noise(clips, drawn)
    noise.adapt(torch.tensor(0.0), 10)
    assert torch.equal(noise(clips, drawn), clips)


def test_double_backward_and_any_shape() -> None:
    noise = InstanceNoise()
    flat = torch.rand(2, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: noise(x, {"seed": seeds(2)}), flat)
    assert torch.autograd.gradgradcheck(lambda x: noise(x, {"seed": seeds(2)}) ** 3, flat)
    assert noise(flat.bfloat16(), {"seed": seeds(2)}).dtype == torch.float32


def test_arguments_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="sigma is -1"):
        InstanceNoise(sigma=-1)
    with pytest.raises(ValueError, match="decay_clips is 0"):
        InstanceNoise(decay_clips=0)
