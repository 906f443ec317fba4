"""Whether the optimizers and schedules of a checkpoint are those of a config: they come back as they were saved."""

from collections.abc import Iterator, Mapping
from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.core.optimizer import _init_optimizers_and_lr_schedulers

# Of a group of parameters: how a step is computed, not what it is.
HOW = {"params", "fused", "foreach", "capturable", "differentiable"}
# What a schedule changes while it goes on; of the rest that it keeps, underscores begin what it counts with.
OF_ONE_CYCLE = {"lr", "initial_lr", "max_lr", "min_lr", "momentum", "betas", "base_momentum", "max_momentum"}
PROGRESS = {"last_epoch", "base_lrs"}


def training_difference(saved: Mapping[str, Any], model: LightningModule) -> str:
    """What a checkpoint would bring along in place of what the config says, in words; empty if nothing.

    Learning rates and their like lie in a checkpoint.  torch takes them from there without a word, and fails at the
    first step where the optimizer is another one.

    Args:
        saved: the checkpoint.
        model: of a trainer, set up.
    """
    optimizers, schedules = _init_optimizers_and_lr_schedulers(model)
    there = numbers_of(saved["optimizer_states"], saved.get("lr_schedulers", []))
    here = numbers_of([each.state_dict() for each in optimizers], [each.scheduler.state_dict() for each in schedules])
    for name in [name for name in there if name in here]:
        if there[name] != here[name]:
            return f"{name} is {there[name]} there and {here[name]} here"
    only_there, only_here = sorted(there.keys() - here.keys()), sorted(here.keys() - there.keys())
    if only_there and only_here:  # one side alone may be of another version of torch, which fills in what is missing
        return f"there is {only_there[0]} there and {only_here[0]} here"
    return ""


def numbers_of(optimizers: Any, schedules: Any) -> dict[str, Any]:
    """What makes optimizers and schedules, from their states."""
    counts = {"the number of optimizers": len(optimizers), "the number of schedules": len(schedules)}
    return {**counts, **dict(of_optimizers(optimizers)), **dict(of_schedules(schedules))}


def of_optimizers(states: Any) -> Iterator[tuple[str, Any]]:
    """What makes optimizers, by names that say of which: how many parameters, and each number of their groups."""
    for place, state in enumerate(states, start=1):
        for number, group in enumerate(state["param_groups"], start=1):
            where = f"of optimizer {place}" + (f", group {number}," if number > 1 else "")
            moving = OF_ONE_CYCLE if "base_momentum" in group else set()
            for name in sorted({*group} - HOW - moving):
                if name == "lr" and "initial_lr" in group:  # a schedule has changed it
                    continue
                yield f"{'lr' if name == 'initial_lr' else name} {where}", plain(group[name])
            yield f"the number of parameters {where}", len(group["params"])


def of_schedules(states: Any) -> Iterator[tuple[str, Any]]:
    """What makes schedules, without how far they are."""
    for place, state in enumerate(states, start=1):
        for name in sorted({*state} - PROGRESS):
            if not name.startswith("_"):
                yield f"{name} of schedule {place}", plain(state[name])


def plain(value: Any) -> Any:
    """A value that compares: lists for tuples, a number for a tensor of one."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return value.item() if hasattr(value, "item") else value
