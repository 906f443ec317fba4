"""InfoGAN: latents that can be read off what they make."""

from torch import Tensor, nn

from losses.auxiliary_classifier import AuxiliaryClassifier, class_cross_entropy
from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Term


class InfoGAN(Term):
    """-L_I, the bound on the mutual information of a categorical latent and the video made from it, without its
    constant (Chen et al. 2016, arXiv:1606.03657, Eq. 5 and 6).

    Both players minimise  mean -log Q(c | G(z, c)),  where Q is the softmax of the discriminator's class logits.  Q is
    a part of the discriminator: its share of the loss is in the discriminator's update, on the same fake clips, the
    generator's in the generator's.  The published code of MoCoGAN has it in the generator's alone, where Q is never
    trained unless labels train it.

    Args:
        weight: lambda; 1 for categorical latents in the paper.  At least 0.
        interval: as in `Term`.
        latent: name of c among the generator's latents: (B,) int64 class indices, or (B, num_categories) one-hot.

    Shapes: class_logits (B, num_categories); every term is a scalar over this process's clips.
    Raises: ValueError if there are no class logits or no such latent, if (on a CPU, as `AuxiliaryClassifier`) it names
        more categories than they do, or if labels are to train the same classifier.
    """

    def __init__(self, weight: float = 1.0, interval: int = 1, latent: str = "category") -> None:
        super().__init__(weight, interval)
        self.latent = latent

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor | None:
        """Q's share: cross-entropy of the latent on fake clips, which carry no gradient."""
        return self.cross_entropy(fake, draw)

    def generator_term(
        self, discriminator: DiscriminatorFunction, real: Judged | None, fake: Judged, draw: Draw
    ) -> Tensor | None:
        """The generator's share: the same, with the gradient through the clips."""
        return self.cross_entropy(fake, draw)

    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        """Refuse an auxiliary classifier of labels beside it."""
        for name, term in objective.terms.items():
            if isinstance(term, AuxiliaryClassifier) and term.weight > 0:
                raise ValueError(
                    f"InfoGAN and {name} (AuxiliaryClassifier) would train one classifier, of latents and of labels; "
                    "use one of them"
                )

    def cross_entropy(self, fake: Judged, draw: Draw) -> Tensor:
        """Mean -log Q(c | fake)."""
        if self.latent not in draw.latents:
            raise ValueError(
                f"the generator has no latent {self.latent!r} for InfoGAN, it has {', '.join(draw.latents) or 'none'}; "
                "set the generator's num_categories above 0, or InfoGAN's latent"
            )
        return class_cross_entropy(fake, draw.latents[self.latent], f"latents {self.latent!r}")
