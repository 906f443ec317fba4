import pytest
import torch
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, View
from networks.projection import Projection
from networks.spatiotemporal import SpatiotemporalCritic
from networks.spectral_norm import SpectralNorm

CLIPS = torch.rand(3, 2, 4, 4, 4)
LABELS = torch.tensor([0, 2, 1])


class TwoHeads(Discriminator):
    """One logit a clip, and one map of logits."""

    num_features: tuple[int, ...] = (5, 7)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv3d(2, 5, 3), nn.Conv3d(2, 7, 3)

    def look(self, videos: Tensor, view: View) -> Tensor:
        return videos.flip(-1)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        first, second = self.first(seen), self.second(seen)
        logits = (first.mean(dim=(1, 2, 3, 4)), second.sum(dim=1))
        return Judgement(logits, (first.sum(dim=(2, 3, 4)), second.sum(dim=(2, 3, 4))))


def test_the_product_is_added_to_each_head() -> None:
    plain = TwoHeads()
    network = Projection(plain, num_classes=3)
    before, after = plain(CLIPS), network(CLIPS, LABELS)
    for head, features, embedding, projected in zip(
        before.logits, before.features, network.embeddings, after.logits, strict=True
    ):
        assert isinstance(embedding, nn.Embedding)
        for clip, label in enumerate(LABELS):
            product = embedding.weight[label] @ features[clip]
            torch.testing.assert_close(projected[clip], head[clip] + product)
    assert [head.shape for head in after.logits] == [(3,), (3, 2, 2, 2)]
    assert after.features[1].shape == (3, network.num_features[1])
    assert torch.equal(network.look(CLIPS, {}), CLIPS.flip(-1))


def test_labels_have_an_effect_and_gradients_reach_all_embeddings() -> None:
    network = Projection(TwoHeads(), num_classes=3)
    clips = CLIPS.clone().requires_grad_(True)
    judgement = network(clips, LABELS)
    assert not torch.allclose(judgement.logits[0], network(clips, LABELS.flip(0)).logits[0])
    (gradient,) = torch.autograd.grad(sum(head.sum() for head in judgement.logits), clips, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in network.named_parameters():
        if "bias" not in name:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_parameters_at_full_size() -> None:
    with torch.device("meta"):
        network = Projection(SpatiotemporalCritic(), num_classes=5)
        logits = network(torch.empty(2, 3, 16, 64, 64), torch.zeros(2, dtype=torch.int64)).logits
    assert logits[0].shape == (2,)
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_057_990 + 5 * 512 * 4 * 4


def test_spectral_norm_around_it_normalises_embeddings() -> None:
    projection = Projection(TwoHeads(), num_classes=3)
    network = SpectralNorm(projection).eval()
    assert network.num_classes == 3
    for embedding in projection.embeddings:
        assert isinstance(embedding, nn.Embedding)
        norm = torch.linalg.matrix_norm(embedding.weight.detach(), ord=2)
        torch.testing.assert_close(norm, torch.tensor(1.0), atol=0.02, rtol=0)
    assert network(CLIPS, LABELS).logits[0].shape == (3,)


def test_labels_that_cannot_be() -> None:
    network = Projection(TwoHeads(), num_classes=3)
    with pytest.raises(ValueError, match="it needs labels"):
        network(CLIPS)
    with pytest.raises(ValueError, match=r"labels are 0 to 3; num_classes is 3"):
        network(CLIPS, torch.tensor([0, 3, 1]))
    with pytest.raises(ValueError, match=r"labels are -1 to 1"):
        network(CLIPS, torch.tensor([0, -1, 1]))


def test_discriminators_that_cannot_be() -> None:
    plain = TwoHeads()
    with pytest.raises(ValueError, match="num_classes is 0"):
        Projection(plain, num_classes=0)
    plain.num_features = (5,)
    with pytest.raises(ValueError, match="TwoHeads has 2 heads and features of 2"):
        Projection(plain, num_classes=3)(CLIPS, LABELS)
    plain.num_features = ()
    with pytest.raises(ValueError, match="TwoHeads gives no features"):
        Projection(plain, num_classes=3)
