"""Batch statistics inside a loss that are to be those of all processes."""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx


def mean_over_processes(tensor: Tensor) -> Tensor:
    """The mean over all processes, through which gradients flow; the tensor itself where there is but one process.

    The gradient of every process's loss reaches every process's share of the mean.  With gradients of parameters
    averaged over processes, as `DistributedDataParallel` does, and a loss that is a mean over clips, this is exactly
    the gradient of one process on the joined batch.

    All processes must call it alike and go backwards alike: both directions wait for the others.  Processes have
    equally many clips.

    Shapes: any, alike on all processes -> the same.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return tensor
    mean: Tensor = _MeanOverProcesses.apply(tensor)
    return mean


class _MeanOverProcesses(torch.autograd.Function):
    """Averages what goes forwards, and gradients on their way back."""

    @staticmethod
    def forward(ctx: FunctionCtx, tensor: Tensor) -> Tensor:
        total = tensor.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        return mean_over_processes(gradient)
