import torch
import torch.nn.functional as F
from torch import nn

from networks.conditional_batch_norm import ConditionalBatchNorm


def test_without_a_condition_it_is_an_ordinary_batch_norm() -> None:
    ours, theirs = ConditionalBatchNorm(3), nn.BatchNorm2d(3)
    frames = torch.randn(6, 3, 4, 4) * 3 + 1
    torch.testing.assert_close(ours(frames), theirs(frames))
    torch.testing.assert_close(ours.eval()(frames), theirs.eval()(frames))


def test_a_condition_has_no_effect_at_the_start() -> None:
    norm, frames = ConditionalBatchNorm(3, condition_dim=5), torch.randn(6, 3, 4, 4)
    torch.testing.assert_close(norm(frames, torch.randn(2, 5)), norm(frames, torch.randn(2, 5)))


def test_all_frames_of_a_video_have_its_gain_and_bias() -> None:
    norm = ConditionalBatchNorm(3, condition_dim=2).eval()
    nn.init.normal_(norm.to_gain.weight)
    nn.init.normal_(norm.to_bias.weight)
    frames, condition = torch.randn(2 * 4, 3, 2, 2), F.one_hot(torch.tensor([1, 0]), 2).float()
    out = norm(frames, condition).unflatten(0, (2, 4))
    for video, label in enumerate([1, 0]):
        gain, bias = (1 + norm.to_gain.weight[:, label]), norm.to_bias.weight[:, label]
        expected = norm.norm(frames).unflatten(0, (2, 4))[video] * gain[:, None, None] + bias[:, None, None]
        torch.testing.assert_close(out[video], expected)


def test_each_time_step_has_statistics_of_its_own() -> None:
    norm = ConditionalBatchNorm(3, num_frames=4)
    frames = (
        torch.randn(16, 4, 3, 5, 5) * torch.arange(1, 5)[:, None, None, None] + torch.arange(4)[:, None, None, None]
    )
    normalized = norm(frames.flatten(0, 1)).unflatten(0, (16, 4))
    torch.testing.assert_close(normalized.mean(dim=(0, 3, 4)), torch.zeros(4, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(normalized.std(dim=(0, 3, 4)), torch.ones(4, 3), atol=1e-2, rtol=0)
    # the running mean moves a tenth of the way, in the order (time step, channel)
    means = 0.1 * frames.mean(dim=(0, 3, 4)).flatten()
    torch.testing.assert_close(norm.norm.running_mean, means, atol=1e-4, rtol=1e-4)
    pooled = ConditionalBatchNorm(3)(frames.flatten(0, 1)).unflatten(0, (16, 4))
    assert pooled.mean(dim=(0, 3, 4)).abs().max() > 0.1
