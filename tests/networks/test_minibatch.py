import pytest
import torch
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, View
from networks.minibatch import (
    MinibatchDiscrimination,
    MinibatchStandardDeviation,
    closeness_to_others,
    mean_deviation,
    with_deviations,
)


class TwoHeads(Discriminator):
    """A score from 6 features and a map of scores from 4, of every other frame, say."""

    num_features = (6, 4)

    def __init__(self, num_classes: int = 0) -> None:
        super().__init__(num_classes)
        self.first = nn.Linear(3 * 2 * 4 * 4, 6)
        self.second = nn.Conv3d(3, 4, (2, 4, 4))
        self.to_score = nn.Linear(6, 1)

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        return {"frame": torch.randint(4, (num_clips,), generator=rng)}

    def look(self, videos: Tensor, view: View) -> Tensor:
        return videos[:, :, :2]

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        first, second = self.first(seen.flatten(1)).tanh(), self.second(seen).flatten(1)
        score_map = second.view(-1, 1, 2, 2)
        return Judgement((self.to_score(first).squeeze(1), score_map), (first, second), first[:, :2])


CLIPS = torch.rand(8, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
BOTH = pytest.mark.parametrize("wrapper", [MinibatchDiscrimination, MinibatchStandardDeviation])


def visible(wrapped: nn.Module) -> nn.Module:
    """With parameters that are not 0, and features that are neither alike nor far apart."""
    rng = torch.Generator().manual_seed(1)
    for parameter in wrapped.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=rng)
    return wrapped


def added(wrapped: nn.Module, clips: Tensor = CLIPS) -> Tensor:
    """(2, B): what each head gets besides."""
    plain, judgement = wrapped.discriminator(clips), wrapped(clips)
    shares = [
        (after - before).flatten(1) if before.dim() > 1 else (after - before)[:, None]
        for before, after in zip(plain.logits, judgement.logits, strict=True)
    ]
    torch.testing.assert_close(shares[1], shares[1][:, :1].expand_as(shares[1]))  # the same at each position
    return torch.stack([share[:, 0] for share in shares])


def test_parameter_counts() -> None:
    plain = sum(parameter.numel() for parameter in TwoHeads().parameters())
    for wrapped, more in (
        (MinibatchDiscrimination(TwoHeads()), (6 + 4) * 100 * 5 + 2 * 100),
        (MinibatchStandardDeviation(TwoHeads()), 2),
    ):
        assert sum(parameter.numel() for parameter in wrapped.parameters()) == plain + more
    big = TwoHeads()
    big.num_features = (8192,)
    own = MinibatchDiscrimination(big)
    assert own.kernels[0].numel() + own.to_logits[0].weight.numel() == 4_096_100


def test_minibatch_discrimination_is_the_papers() -> None:
    wrapped = MinibatchDiscrimination(TwoHeads(), num_kernels=3, kernel_dim=2)
    features = wrapped.discriminator(CLIPS).features
    for head, share in enumerate(added(wrapped)):
        rows = torch.tensordot(features[head], wrapped.kernels[head], dims=1)  # M_i
        for i in range(8):
            others = [torch.exp(-(rows[i] - rows[j]).abs().sum(dim=1)) for j in range(8) if j != i]
            o = torch.stack(others).sum(dim=0) / 7
            torch.testing.assert_close(share[i], (wrapped.to_logits[head].weight[0] * o).sum())


def test_closeness() -> None:
    assert torch.equal(closeness_to_others(torch.randn(1, 5, 3)), torch.zeros(1, 5))  # alone
    torch.testing.assert_close(closeness_to_others(torch.ones(4, 5, 3)), torch.ones(4, 5))  # a collapsed generator
    far = torch.arange(3.0).view(3, 1, 1) * 1000
    assert torch.equal(closeness_to_others(far), torch.zeros(3, 1))  # itself does not count
    rows = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(closeness_to_others, rows)


def test_minibatch_discrimination_begins_at_distances_of_about_one() -> None:
    network = TwoHeads()
    network.num_features = (2048,)
    torch.manual_seed(0)
    kernels = MinibatchDiscrimination(network).kernels[0]
    closeness = closeness_to_others(torch.einsum("bf,fkd->bkd", torch.randn(16, 2048), kernels))
    assert 0.2 < closeness.mean() < 0.6


def test_minibatch_standard_deviation_is_the_papers() -> None:
    wrapped = visible(MinibatchStandardDeviation(TwoHeads(), group_size=4))
    features = wrapped.discriminator(CLIPS).features
    for head, share in enumerate(added(wrapped)):
        for first in (0, 4):
            deviation = features[head][first : first + 4].std(dim=0, correction=0).mean()
            torch.testing.assert_close(share[first : first + 4], (wrapped.gains[head] * deviation).expand(4))
    features = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mean_deviation, features)
    assert torch.autograd.gradgradcheck(mean_deviation, features)


def test_as_a_channel() -> None:
    features = torch.zeros(6, 2, 4, 4)
    features[1] = 3.0  # in the first group of four; 0, 3, 0 and 0 deviate by 3 sqrt(3) / 4 from their mean
    features[5] = 4.0  # in the second, of two
    joined = with_deviations(features, 4)
    torch.testing.assert_close(joined[:, :2], features)
    torch.testing.assert_close(joined[:4, 2], torch.full((4, 4, 4), 3 * 3**0.5 / 4))
    torch.testing.assert_close(joined[4:, 2], torch.full((2, 4, 4), 2.0))


def test_minibatch_standard_deviation_changes_nothing_at_first() -> None:
    assert not added(MinibatchStandardDeviation(TwoHeads())).any()


def test_a_collapsed_batch_has_finite_gradients() -> None:
    wrapped = visible(MinibatchStandardDeviation(TwoHeads()))
    clips = CLIPS[:1].expand(4, -1, -1, -1, -1).clone().requires_grad_(True)
    sum(head.sum() for head in wrapped(clips).logits).backward()
    assert clips.grad is not None and clips.grad.isfinite().all()


@BOTH
def test_groups_of_consecutive_clips(wrapper: type) -> None:
    wrapped = visible(wrapper(TwoHeads(), group_size=4))
    whole = added(wrapped)
    # Two processes with 4 clips each form the groups of one with 8, and do not see each other.
    torch.testing.assert_close(torch.cat([added(wrapped, CLIPS[:4]), added(wrapped, CLIPS[4:])], dim=1), whole)
    torch.testing.assert_close(added(wrapped, torch.cat([CLIPS[:4], -CLIPS[4:]]))[:, :4], whole[:, :4])
    assert (added(wrapped, torch.cat([CLIPS[:3], -CLIPS[3:]])) - whole)[:, :3].abs().min() > 1e-6
    # The last group may be smaller.
    torch.testing.assert_close(added(wrapped, CLIPS[:6])[:, 4:], added(wrapped, CLIPS[4:6]))
    wrapped.group_size = None
    assert (added(wrapped, torch.cat([CLIPS[:7], -CLIPS[7:]])) - added(wrapped))[:, 0].abs().min() > 1e-6


@BOTH
def test_it_delegates(wrapper: type) -> None:
    plain = TwoHeads(num_classes=5)
    wrapped = wrapper(plain)
    assert wrapped.num_classes == 5 and wrapped.num_features == (6, 4)
    drawn = [network.sample_view(9, torch.Generator().manual_seed(3))["frame"] for network in (plain, wrapped)]
    assert torch.equal(*drawn)
    video = torch.rand(2, 3, 4, 4, 4)
    assert torch.equal(wrapped.look(video, {}), video[:, :, :2])
    ours, theirs = wrapped(CLIPS), plain(CLIPS)
    assert torch.equal(ours.class_logits, theirs.class_logits)
    assert all(torch.equal(*pair) for pair in zip(ours.features, theirs.features, strict=True))


@BOTH
def test_gradients_reach_every_parameter_also_through_a_penalty(wrapper: type) -> None:
    wrapped = visible(wrapper(TwoHeads()))
    clips = CLIPS.clone().requires_grad_(True)
    score = sum(head.sum() for head in wrapped(clips).logits)
    (gradient,) = torch.autograd.grad(score, clips, create_graph=True)
    (score + gradient.square().sum()).backward()
    for name, parameter in wrapped.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@BOTH
def test_clips_are_compared_in_float32_under_autocast(wrapper: type) -> None:
    wrapped = visible(wrapper(TwoHeads()))
    dtypes = []
    share = wrapped.share

    def spied(features: Tensor, head: int) -> Tensor:
        value = share(features, head)
        dtypes.extend([features.dtype, value.dtype])
        return value

    wrapped.share = spied
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = wrapped(CLIPS).logits
    assert set(dtypes) == {torch.float32} and {head.dtype for head in logits} == {torch.bfloat16}


@BOTH
def test_mistakes(wrapper: type) -> None:
    network = TwoHeads()
    network.num_features = ()
    with pytest.raises(ValueError, match=f"TwoHeads gives no features, which {wrapper.__name__} needs"):
        wrapper(network)
    with pytest.raises(ValueError, match="group_size is 1; it must be at least 2"):
        wrapper(TwoHeads(), group_size=1)
