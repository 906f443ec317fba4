import pytest
import torch
from torch import Tensor

from networks.auxiliary_classifier import AuxiliaryClassifier
from networks.base import Discriminator, Judgement, View
from networks.spatiotemporal import SpatiotemporalCritic

CLIPS = torch.rand(3, 2, 4, 4, 4)


class TwoHeads(Discriminator):
    """Means over time and over space, without parameters."""

    num_features: tuple[int, ...] = (32, 8)

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        return {"chosen": torch.rand(num_clips, generator=rng)}

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        features = (seen.mean(dim=2).flatten(1), seen.mean(dim=(3, 4)).flatten(1))
        shift = 0 if labels is None else labels
        return Judgement((features[0].sum(dim=1) + shift, features[1].sum(dim=1)), features)


def test_class_logits_are_linear_in_all_features() -> None:
    plain = TwoHeads()
    network = AuxiliaryClassifier(plain, num_classes=5)
    judgement = network(CLIPS)
    expected = torch.cat(plain(CLIPS).features, dim=1) @ network.to_classes.weight.mT + network.to_classes.bias
    assert judgement.class_logits is not None and judgement.class_logits.shape == (3, 5)
    torch.testing.assert_close(judgement.class_logits, expected)


def test_the_rest_is_the_discriminators() -> None:
    plain = TwoHeads()
    network = AuxiliaryClassifier(plain, num_classes=5)
    labels = torch.tensor([1, 2, 3])
    assert all(map(torch.equal, network(CLIPS, labels).logits, plain(CLIPS, labels).logits))
    assert (network.num_classes, network.num_features) == (0, (32, 8))  # labels are not what is classified here
    assert torch.equal(
        network.sample_view(3, torch.Generator().manual_seed(0))["chosen"],
        plain.sample_view(3, torch.Generator().manual_seed(0))["chosen"],
    )


def test_the_gradient_of_the_class_reaches_clips_and_weights() -> None:
    network = AuxiliaryClassifier(TwoHeads(), num_classes=2)
    clips = CLIPS.clone().requires_grad_(True)
    class_logits = network(clips).class_logits
    assert class_logits is not None
    torch.nn.functional.cross_entropy(class_logits, torch.tensor([0, 1, 1])).backward()
    for value in (clips, *network.parameters()):
        assert value.grad is not None and (value.grad != 0).all()


def test_parameters_at_full_size() -> None:
    with torch.device("meta"):
        network = AuxiliaryClassifier(SpatiotemporalCritic(), num_classes=5)
        judgement = network(torch.empty(2, 3, 16, 64, 64))
    assert judgement.class_logits is not None and judgement.class_logits.shape == (2, 5)
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_057_990 + 5 * (512 * 4 * 4 + 1)


def test_what_cannot_be() -> None:
    plain = TwoHeads()
    with pytest.raises(ValueError, match="num_classes is 0"):
        AuxiliaryClassifier(plain, num_classes=0)
    plain.num_features = ()
    with pytest.raises(ValueError, match="TwoHeads gives no features"):
        AuxiliaryClassifier(plain, num_classes=3)
