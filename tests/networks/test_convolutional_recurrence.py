import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from networks.convolutional_recurrence import ConvGRU, ConvLSTM


def test_on_single_pixels_the_lstm_is_torchs() -> None:
    ours, theirs = ConvLSTM(3, 4, kernel_size=1), nn.LSTM(3, 4, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.from_input.weight.flatten(1))
        theirs.weight_hh_l0.copy_(ours.from_hidden.weight.flatten(1))
        theirs.bias_hh_l0.copy_(ours.from_hidden.bias)
        theirs.bias_ih_l0.zero_()
    inputs = torch.randn(2, 5, 3)
    torch.testing.assert_close(ours(inputs[..., None, None]).flatten(2), theirs(inputs)[0])


def test_the_lstm_takes_inputs_that_end_early_as_zeros() -> None:
    lstm = ConvLSTM(2, 3)
    first = torch.randn(2, 1, 2, 4, 4)
    padded = torch.cat([first, torch.zeros(2, 3, 2, 4, 4)], dim=1)
    states = lstm(first, num_frames=4)
    assert states.shape == (2, 4, 3, 4, 4)
    torch.testing.assert_close(states, lstm(padded))


def test_the_gru_is_its_equations() -> None:
    gru = ConvGRU(2, 3)
    inputs = torch.randn(2, 4, 2, 5, 5)
    hidden = torch.zeros(2, 3, 5, 5)
    for frame, state in zip(inputs.unbind(1), gru(inputs).unbind(1), strict=True):
        reset, update = torch.sigmoid(gru.gates(torch.cat([frame, hidden], dim=1))).chunk(2, dim=1)
        candidate = F.relu(gru.candidate(torch.cat([frame, reset * hidden], dim=1)))
        hidden = update * hidden + (1 - update) * candidate
        torch.testing.assert_close(state, hidden)


def test_a_sequence_is_one_power_iteration_of_the_grus_spectral_norm() -> None:
    gru = ConvGRU(2, 3)
    weight = gru.gates.weight.detach().flatten(1).clone()
    spectral_norm(gru.gates)
    norm = gru.gates.parametrizations.weight[0]
    u_after_one = F.normalize(weight @ norm._v, dim=0)
    gru(torch.randn(2, 4, 2, 5, 5))
    torch.testing.assert_close(norm._u, u_after_one)
    gru.eval()
    gru(torch.randn(2, 4, 2, 5, 5))
    torch.testing.assert_close(norm._u, u_after_one)


@pytest.mark.parametrize("layer", [ConvLSTM(2, 3), ConvGRU(2, 3)])
def test_states_stay_float32_under_autocast(layer: nn.Module) -> None:
    inputs = torch.randn(2, 4, 2, 5, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = layer(inputs)
    assert states.dtype == torch.float32
    torch.testing.assert_close(states, layer(inputs), atol=0.03, rtol=0.03)
    assert not torch.equal(states, layer(inputs))
