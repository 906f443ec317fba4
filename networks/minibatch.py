"""Discriminators that compare the clips of a batch, so that a generator of little variety gives itself away."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from networks.base import Discriminator, DiscriminatorWrapper, Judgement, View, in_float32


class BatchComparison(DiscriminatorWrapper):
    """A discriminator whose logits get a share that depends on the other clips of the same batch.

    A last linear layer on [features, statistics] is one on the features plus one on the statistics; the latter is what
    is added to each head's logit, at every position if it is a map.  Features, class logits and the view stay those of
    the wrapped discriminator.  The real and the fake clips come in calls, and so in batches, of their own.

    Clips are compared within groups of `group_size` consecutive ones; the last group may be smaller.  If every process
    has a multiple of `group_size` clips, the groups are those of one process on the joined batch.

    Args:
        discriminator: gives features, (B, F) for each head.
        group_size: clips in a group, at least 2; None takes all clips of a call on this process for one group, and then
            the result depends on the number of processes.

    Raises: ValueError if the discriminator gives no features, or if a group is too small.
    """

    def __init__(self, discriminator: Discriminator, group_size: int | None) -> None:
        super().__init__(discriminator, needs_features=True)
        if group_size is not None and group_size < 2:
            raise ValueError(f"group_size is {group_size}; it must be at least 2, or null for the whole batch")
        self.group_size = group_size

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """The wrapped discriminator's judgement, with the share of the batch in its logits."""
        judgement = self.discriminator(seen, labels, view)
        logits = []
        # bfloat16 is too coarse to tell how close two clips are.
        with in_float32(seen):
            for head, (logit, features) in enumerate(zip(judgement.logits, judgement.features, strict=True)):
                share = self.share(features.float(), head)  # (B,)
                logits.append(logit + share.to(logit.dtype).view(-1, *[1] * (logit.dim() - 1)))
        return judgement._replace(logits=tuple(logits))

    @abstractmethod
    def share(self, features: Tensor, head: int) -> Tensor:
        """What is added to the logits of a head, (B, F) -> (B,)."""


class MinibatchDiscrimination(BatchComparison):
    """Minibatch discrimination (Salimans et al. 2016, arXiv:1606.03498, section 3.2).

    M_i = f(x_i) T,  o_b(x_i) = 1/(n-1) sum_{j != i} exp(-||M_ib - M_jb||_1),  and the logit gets w . o(x_i).

    n is the size of the group; a clip alone has o = 0.  As in the released code a clip is not compared with itself and
    o is divided by the number of others, so that it does not depend on the batch size.  That code also scales T by the
    first batch; here T begins at a scale that makes distances about 1 for features of about unit size.
    F * num_kernels * kernel_dim + num_kernels parameters a head: 4,096,100 for F = 8192.

    Args:
        discriminator: gives features, (B, F) for each head.
        num_kernels: statistics of each clip; 100 in the released code.
        kernel_dim: length of the rows that are compared; 5 in the released code.
        group_size: see `BatchComparison`; None, the whole batch, in the paper.

    Shapes: as the wrapped discriminator.
    Raises: ValueError as `BatchComparison`.
    """

    def __init__(
        self,
        discriminator: Discriminator,
        num_kernels: int = 100,
        kernel_dim: int = 5,
        group_size: int | None = None,
    ) -> None:
        super().__init__(discriminator, group_size)
        self.kernels = nn.ParameterList(
            torch.randn(num_features, num_kernels, kernel_dim) / (num_features**0.5 * kernel_dim)
            for num_features in self.num_features
        )
        self.to_logits = nn.ModuleList(nn.Linear(num_kernels, 1, bias=False) for _ in self.num_features)

    def share(self, features: Tensor, head: int) -> Tensor:
        """See the class."""
        rows = torch.einsum("bf,fkd->bkd", features, self.kernels[head])
        closeness = [closeness_to_others(group) for group in in_groups(rows, self.group_size)]
        return self.to_logits[head](torch.cat(closeness)).squeeze(1)  # (B, num_kernels) -> (B,)


class MinibatchStandardDeviation(BatchComparison):
    """Minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, section 3).

    The standard deviation of every feature over the group, averaged over features, is one number a group; the logit
    gets a learned multiple of it, at first 0.  In the paper it is one more channel before the last convolution, which
    can use it in more ways; as a wrapper it goes with every discriminator.  1 parameter a head.

    Args:
        discriminator: gives features, (B, F) for each head.
        group_size: see `BatchComparison`; 4 in the released code.

    Shapes: as the wrapped discriminator.
    Raises: ValueError as `BatchComparison`.
    """

    def __init__(self, discriminator: Discriminator, group_size: int | None = 4) -> None:
        super().__init__(discriminator, group_size)
        self.gains = nn.Parameter(torch.zeros(len(self.num_features)))

    def share(self, features: Tensor, head: int) -> Tensor:
        """See the class."""
        return self.gains[head] * deviations_of_groups(features, self.group_size)


def closeness_to_others(rows: Tensor) -> Tensor:
    """Mean exp(-L1 distance) of each clip to the others, (n, num_kernels, kernel_dim) -> (n, num_kernels)."""
    distances = (rows[:, None] - rows[None]).abs().sum(dim=3)  # (n, n, num_kernels)
    others = 1 - torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    return (distances.neg().exp() * others[:, :, None]).sum(dim=1) / max(len(rows) - 1, 1)


def with_deviations(features: Tensor, group_size: int) -> Tensor:
    """One more channel, minibatch standard deviation as in the paper (arXiv:1710.10196, section 3).

    (B, C, H, W) -> (B, C + 1, H, W).  The released code takes every (B / group_size)-th picture for a group; here they
    are consecutive, so that groups are the same however many processes share the batch.
    """
    channel = deviations_of_groups(features, group_size).view(-1, 1, 1, 1)
    return torch.cat([features, channel.expand(-1, 1, *features.shape[2:])], dim=1)


def deviations_of_groups(features: Tensor, group_size: int | None) -> Tensor:
    """`mean_deviation` of the group that each clip belongs to: (B, ...) -> (B,)."""
    return torch.cat([mean_deviation(group).expand(len(group)) for group in in_groups(features, group_size)])


def in_groups(values: Tensor, group_size: int | None) -> tuple[Tensor, ...]:
    """Groups of consecutive clips, the last one perhaps smaller; None takes all for one."""
    return values.split(group_size or max(len(values), 1))


def mean_deviation(features: Tensor) -> Tensor:
    """Standard deviation over the clips, averaged over everything else: (n, ...) -> a scalar."""
    variances = (features - features.mean(dim=0)).square().mean(dim=0)
    return (variances + 1e-8).sqrt().mean()  # the root has no finite slope at 0
