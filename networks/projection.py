"""The projection discriminator (Miyato and Koyama 2018)."""

from torch import Tensor, nn

from networks.base import Discriminator, DiscriminatorWrapper, Judgement, View, required_labels


class Projection(DiscriminatorWrapper):
    """D(x, y) = D(x) + <embed(y), f(x)> for every head (Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3).

    f are the features that the discriminator gives, one vector a clip and head; each head has an embedding of its own.
    Where a head's logits are a map, every position gets the same addition.  In the paper f is pooled over positions; a
    discriminator that gives flattened features has an embedding for each position.  Parameters: num_classes times the
    number of features.  `SpectralNorm` around it normalises the embeddings too, as the paper does.

    Args:
        discriminator: what judges clips without their class; labels are passed on to it.
        num_classes: classes that labels may name, at least 1.

    Shapes: as those of the discriminator; labels (B,) int64 are required.
    Raises: ValueError if the discriminator gives no features, or not for every head; if labels are missing or, on a
        CPU, out of range (to look would make every step wait for a GPU, whose own assertion stops there).
    """

    def __init__(self, discriminator: Discriminator, num_classes: int) -> None:
        super().__init__(discriminator, num_classes, needs_features=True)
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; a projection of classes needs at least 1")
        embeddings = [nn.Embedding(num_classes, features) for features in self.num_features]
        for embedding in embeddings:
            nn.init.xavier_uniform_(embedding.weight)  # the reference code's; N(0, 1) would drown D(x)
        self.embeddings = nn.ModuleList(embeddings)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        labels = self.checked_labels(labels)
        judgement = self.discriminator(seen, labels, view)
        if not len(judgement.logits) == len(judgement.features) == len(self.embeddings):
            raise ValueError(
                f"{type(self.discriminator).__name__} has {len(judgement.logits)} heads and features of "
                f"{len(judgement.features)}; a projection needs those of every head"
            )
        logits = []
        for head, features, embedding in zip(judgement.logits, judgement.features, self.embeddings, strict=True):
            product = (embedding(labels) * features).sum(dim=1)  # (B,)
            logits.append(head + product.view(-1, *[1] * (head.dim() - 1)))
        return judgement._replace(logits=tuple(logits))

    def checked_labels(self, labels: Tensor | None) -> Tensor:
        """The labels, or an error."""
        labels = required_labels(labels, self)
        if labels.device.type == "cpu" and ((labels < 0) | (labels >= self.num_classes)).any():
            raise ValueError(
                f"labels are {labels.min()} to {labels.max()}; num_classes is {self.num_classes}, so they must be "
                f"0 to {self.num_classes - 1}"
            )
        return labels
