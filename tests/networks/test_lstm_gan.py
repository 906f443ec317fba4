import torch

from networks.lstm_gan import LSTMGenerator


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        generator = LSTMGenerator()
    assert num_parameters(generator.recurrent) == 4 * 128 * (32 + 128 + 2)
    # MoCoGAN's decoder, 3,298,176 at 66 inputs, and 8,192 for each of 162 more.
    assert num_parameters(generator) == 3_298_176 + 162 * 512 * 16 + 82_944 == 4_708_224


def test_the_lstm_starts_as_the_docstring_says() -> None:
    cell = LSTMGenerator(size=16, base_channels=1).recurrent
    for gate in cell.weight_hh.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(128), atol=1e-5, rtol=0)
    bias = (cell.bias_ih + cell.bias_hh).chunk(4)  # input, forget, cell, output
    assert [gate.unique().tolist() for gate in bias] == [[0], [1], [0], [0]]


def test_content_is_constant_and_the_past_drives_the_present() -> None:
    generator = LSTMGenerator(5, 16, base_channels=2)
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    codes = generator.frame_codes(latents, None)
    assert codes.shape == (2, 5, 228)
    assert torch.equal(codes[:, 0, :100], latents["content"]) and torch.equal(codes[:, 4, :100], latents["content"])
    changed = latents["noise"].clone()
    changed[:, 2] += 1
    moved = generator.frame_codes({**latents, "noise": changed}, None) - codes
    assert torch.equal(moved[:, :2], torch.zeros(2, 2, 228))
    assert (moved[:, 2:, 100:].abs().amax(dim=2) > 0).all()


def test_it_is_an_lstm_from_zero_states() -> None:
    generator = LSTMGenerator(5, 16, base_channels=2)
    whole = torch.nn.LSTM(32, 128, batch_first=True)
    whole.load_state_dict({f"{name}_l0": value for name, value in generator.recurrent.state_dict().items()})
    latents = generator.sample_latents(2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(generator.frame_codes(latents, None)[:, :, 100:], whole(latents["noise"])[0])
