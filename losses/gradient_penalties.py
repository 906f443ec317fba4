"""Gradients of a discriminator with respect to its input clips, for the penalties that objectives add.

On clips a gradient has five axes; the norm is taken over all but the first, one norm a clip.  (Image code that sums
over axes 1 to 3 is silently wrong here.)  Everything is computed in float32, whatever the autocast around it: second
derivatives in bfloat16 or float16 are too coarse to penalise.
"""

from contextlib import AbstractContextManager

import torch
from torch import Tensor

from losses.base import DiscriminatorFunction, Logits


def in_float32(clips: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off for the device of `clips`."""
    return torch.autocast(clips.device.type, enabled=False)


def score(head: Tensor) -> Tensor:
    """Mean logit of each clip, (B, ...) -> (B,), in float32."""
    return head.float().flatten(1).mean(dim=1) if head.dim() > 1 else head.float()


def squared_gradient_norms(logits: Logits, clips: Tensor) -> tuple[Tensor, ...]:
    """||grad_x D(x)||^2 for each head, each (B,): the score of a clip, differentiated by its own pixels.

    Args:
        logits: what the discriminator returned for `clips`.
        clips: (B, C, T, H, W), float32, requiring gradients.  The discriminator must treat clips independently (no
            batch norm, no minibatch statistics), or the gradients of different clips mix.
    """
    return tuple(
        torch.autograd.grad(score(head).sum(), clips, create_graph=True)[0].flatten(1).square().sum(dim=1)
        for head in logits
    )


def logits_with_gradient(
    discriminator: DiscriminatorFunction, clips: Tensor, labels: Tensor | None
) -> tuple[Logits, tuple[Tensor, ...]]:
    """Logits of `clips` and, for each head, the squared norms of their gradients, (B,), in float32."""
    with in_float32(clips):
        clips = clips.detach().float().requires_grad_(True)
        logits = discriminator(clips, labels)
        return logits, squared_gradient_norms(logits, clips)
