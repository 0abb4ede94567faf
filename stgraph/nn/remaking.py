"""A network of the same class with other weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


def remade(model: Model, state: Mapping[str, Tensor], **changes: Any) -> Model:
    """A new network of the same class and arguments, but for some, with weights of other shapes.

    It lies where the network lies, in its precision and mode; what was frozen stays frozen.

    Args:
        model: A network with a ``config``, the arguments of its constructor.
        state: Its weights where they differ from those of ``model``; what the new network does
            not have is left out.
        **changes: Arguments of the constructor that differ.

    Raises:
        ValueError: if the class does not take an argument, or a weight does not fit.
    """
    kind = type(model).__name__
    taken = inspect.signature(type(model).__init__).parameters
    unknown = sorted(set(changes) - set(taken))
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        raise ValueError(
            f"the constructor of {kind} takes no argument {', '.join(unknown)}; give it one and "
            "pass it on to the class that it comes from"
        )
    config: Any = model.config
    with torch.random.fork_rng(devices=[]):  # the first weights, which are replaced at once
        new = type(model)(**{**config, **changes})
    expected = new.state_dict()
    weights = {**model.state_dict(), **state}
    held = {name: weights[name] for name in expected if name in weights}
    strange = [
        name for name, own in expected.items() if name not in held or held[name].shape != own.shape
    ]
    if strange:
        raise ValueError(
            f"a layer of this {kind} binds parameters to channels, edges or joints that stgraph "
            f"does not know ({', '.join(strange)}); use STGraphConv, or train the smaller network "
            "from the start"
        )
    new.to(next(model.parameters()))
    new.load_state_dict(held)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    for name, parameter in new.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return new.train(model.training)
