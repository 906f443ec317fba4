"""Gradients of a discriminator with respect to its input clips, for the penalties that objectives add.

On clips a gradient has five axes; the norm is taken over all but the first, one norm a clip.  (Image code that sums
over axes 1 to 3 is silently wrong here.)  Everything is computed in float32 (float64 for such clips), whatever the
autocast around it: second derivatives in bfloat16 or float16 are too coarse to penalise.
"""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from losses.base import BATCH_NORMS, DiscriminatorFunction, Logits, in_float32, judge, score


def squared_gradient_norms(logits: Logits, clips: Tensor) -> tuple[Tensor, ...]:
    """||grad_x D(x)||^2 for each head, each (B,): the score of a clip, differentiated by its own pixels.

    Args:
        logits: what the discriminator returned for `clips`.
        clips: (B, C, T, H, W), float32, requiring gradients.  The discriminator must treat clips independently (no
            batch norm), or the gradients of different clips mix.
    """
    return tuple(
        torch.autograd.grad(score(head).sum(), clips, create_graph=True)[0].flatten(1).square().sum(dim=1)
        for head in logits
    )


def one_centred_penalty(
    discriminator: DiscriminatorFunction, clips: Tensor, labels: Tensor | None, heads: Sequence[int] | None = None
) -> Tensor:
    """mean (||grad_x D(x)||_2 - 1)^2 over `clips`, summed over heads, or over those whose numbers are given.

    Raises: ValueError if there is no such head.
    """
    judged = judge(discriminator, clips, labels, differentiable=True)
    logits = judged.logits if heads is None else chosen(judged.logits, heads)
    with in_float32(clips):
        norms = squared_gradient_norms(logits, judged.clips)
        return torch.stack([((gradient_norm(squared) - 1) ** 2).mean() for squared in norms]).sum()


def chosen(logits: Logits, heads: Sequence[int]) -> Logits:
    """The heads of these numbers."""
    if max(heads) >= len(logits):
        raise ValueError(f"heads are {list(heads)}, but the discriminator has {len(logits)}, numbered from 0")
    return tuple(logits[head] for head in heads)


def gradient_norm(squared_norms: Tensor) -> Tensor:
    """||grad|| from its square; where that is 0 the root has no finite slope, and the floor makes its gradient 0."""
    return squared_norms.clamp_min(1e-12).sqrt()


def refuse_batch_norm(discriminator: nn.Module, penalty: str) -> None:
    """A penalty of one norm a clip needs a discriminator that keeps clips apart.

    Raises: ValueError if it has batch norm.
    """
    for name, module in discriminator.named_modules():
        if isinstance(module, BATCH_NORMS):
            raise ValueError(
                f"{penalty} takes one gradient norm a clip, but discriminator.{name} is a batch norm, which mixes "
                "clips; take a discriminator with layer norm or none (norm: layer, where it has that argument)"
            )


def warn_of_spectral_norm(discriminator: nn.Module, penalty: str) -> None:
    """Both bound the discriminator's slope; one of them is enough."""
    if has_spectral_norm(discriminator):
        warnings.warn(
            f"the discriminator has spectral norm and {penalty}: both bound its slope, one is enough", stacklevel=2
        )


def has_spectral_norm(discriminator: nn.Module) -> bool:
    """Whether any weight is divided by its spectral norm."""
    return any("SpectralNorm" in type(module).__name__ for module in discriminator.modules())
