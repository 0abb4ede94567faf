"""Published weights into a network of ours, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stgraph.nn.blocks import AAGCNBlock, DGSTGCNBlock
from stgraph.nn.conv import (
    AdaptiveGraphConv,
    CTRGraphConv,
    DynamicGroupGraphConv,
    STGraphConv,
)
from stgraph.nn.models import STGCN
from stgraph.nn.published.ctrgcn import PublishedCTRGCN
from stgraph.nn.published.files import bare_names, read_state_dict
from stgraph.nn.published.format import Options, PublishedFormat
from stgraph.nn.published.kth import KTHSTGCN
from stgraph.nn.published.original import OriginalSTGCN
from stgraph.nn.published.pyskl import PYSKL
from stgraph.nn.published.pyskl_aagcn import PYSKLAAGCN
from stgraph.nn.published.pyskl_dgstgcn import PYSKLDGSTGCN
from stgraph.nn.published.weights import State, Weight, check_widths, to_ours, to_theirs
from stgraph.nn.state import StateDictMismatch, check_state_dict
from stgraph.skeleton import SkeletonLayout

ORIGINAL, PYSKL_STGCN, CTR, KTH = OriginalSTGCN(), PYSKL(), PublishedCTRGCN(), KTHSTGCN()
AAGCN, DGSTGCN = PYSKLAAGCN(), PYSKLDGSTGCN()
FORMATS: tuple[PublishedFormat, ...] = (ORIGINAL, PYSKL_STGCN, CTR, KTH, AAGCN, DGSTGCN)


def load_published(
    weights: str | Path | Mapping[str, Tensor],
    layout: SkeletonLayout | str | None = None,
    *,
    strides: Sequence[int] | None = None,
    adaptive: str | None = "infer",
    aggregate_first: bool | None = None,
    spatial_residual: bool | None = None,
    dilations: Sequence[int] | None = None,
    gate_per_group: bool | None = None,
    as_published: bool = True,
    head: bool = True,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
) -> STGCN:
    """A network with published weights: the original ST-GCN, PYSKL's ST-GCN, ST-GCN++, AAGCN
    and DG-STGCN, CTR-GCN, or the KTH report's, recognised by its key names.

    Loading is strict: every tensor has its place. Numbers agree with the published code on batches
    of ``SkeletonGraph.from_dense(..., keep_absent=True)``, in which absent persons and frames are
    poses at zero.

    Args:
        weights: A state dict, or a file of one (see :func:`read_state_dict`).
        layout: The joints; by default the layout that the published network is known for, or a
            nameless one. Edges come from the weights in any case.
        strides: Stride of each unit; by default 2 where channels grow, and where a shortcut
            has a convolution that equal channels do not call for.
        adaptive: PYSKL: what the units learn of the adjacency (None, ``"init"``, ``"offset"``,
            ``"importance"``); inferred from names, and for a ``PA`` from whether it looks like
            factors or like offsets: say it to be sure.
        aggregate_first: PYSKL: ``conv_pos="post"``; inferred from shapes where K > 1, else False.
        spatial_residual: PYSKL: a shortcut around the graph convolution; inferred from names.
        dilations: Dilations of the temporal branches; by default 1, 2, ...
        gate_per_group: DG-STGCN: ``subset_wise``; inferred from whether any gate but the first is
            other than zero.
        as_published: With a norm of its own for each person slot, if the weights have that; then
            every recording needs that many persons, absent ones at zero. False: the norm of the
            first slot serves every person, for ragged batches of any number of persons.
        head: Load the classifier; False: the weights of the encoder alone, with or without one.
        dropout: Dropout in the units, for training on.
        head_dropout: Dropout before the classifier.

    Raises:
        StateDictMismatch: if the names are of no known network, tensors are missing, left over or
            of other shapes (the message lists them), or hold NaN or infinity.
    """
    source = "the state dict" if isinstance(weights, Mapping) else repr(str(weights))
    named = weights if isinstance(weights, Mapping) else read_state_dict(weights)
    _check_tensors(named, source)
    state: State = bare_names(named)
    form = _recognise(state, source)
    options = Options(
        layout,
        strides,
        adaptive,
        aggregate_first,
        spatial_residual,
        dilations,
        gate_per_group,
        as_published,
        head,
        dropout,
        head_dropout,
    )
    try:
        state = form.prepare(state, options)
        model = form.build(state, options)
        table = form.weights(model, state)
        expected = to_theirs(table, model.state_dict())
    except (ArithmeticError, LookupError, RuntimeError) as error:
        raise StateDictMismatch(
            f"{source} does not show the form of a {form.name} network: {error}"
        ) from None
    if not head:
        state = {key: value for key, value in state.items() if not _is_head(key)}
    check_state_dict(expected, dict(state), f"{source} ({form.name})")
    model.load_state_dict(to_ours(table, state))
    return model


def to_published(model: STGCN, tensors: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The weights of a network under the names of its published counterpart.

    Args:
        model: A network of a published form: what :func:`load_published` returns.
        tensors: Gradients or the like under the names of our state dict, instead of the weights.

    Raises:
        ValueError: if no published network has this form.
    """
    table = _table_of(model)
    if tensors is None:
        return to_theirs(table, model.state_dict())
    return to_theirs(table, tensors, gradients=True)


def _check_tensors(state: Mapping[str, Any], source: str) -> None:
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise StateDictMismatch(
                f"{source} expected names of tensors (got {type(value).__name__} for {key!r})"
            )
        if not torch.isfinite(value).all():
            raise StateDictMismatch(f"{source} holds NaN or infinity in {key!r}; get it again")


def _recognise(state: State, source: str) -> PublishedFormat:
    for form in FORMATS:
        if form.recognises(state):
            return form
    shown = ", ".join(list(state)[:4]) or "no keys"
    known = ", ".join(form.name for form in FORMATS)
    raise StateDictMismatch(
        f"{source} has the key names of no network that is known here ({known}); it begins with "
        f"{shown}"
    )


def _table_of(model: STGCN) -> list[Weight]:
    check_widths(model.config)
    block = model.config.get("block", "stgcn++")
    forms = {"stgcn": ORIGINAL, "plain": KTH, "preactivation": KTH, "stgcn++": PYSKL_STGCN}
    convs = {type(block.spatial.conv) for block in model.blocks}
    kinds = {type(block) for block in model.blocks}
    form: PublishedFormat
    if convs == {CTRGraphConv} and block == "stgcn++":
        form = CTR
    elif convs == {AdaptiveGraphConv} and kinds == {AAGCNBlock} and model.layout is not None:
        form = AAGCN
    elif convs == {DynamicGroupGraphConv} and kinds == {DGSTGCNBlock}:
        form = DGSTGCN
    elif convs == {STGraphConv} and block in forms and model.layout is not None:
        form = forms[block]
    else:
        raise ValueError(
            f"no published network is made of blocks {block!r} of "
            f"{', '.join(sorted(kind.__name__ for kind in convs))} on this layout"
        )
    table = form.weights(model, {})
    ours = {weight.ours for weight in table if weight.ours is not None}
    strange = sorted(ours ^ model.state_dict().keys())
    if strange:
        raise ValueError(f"{form.name} networks do not have the same tensors: {', '.join(strange)}")
    return table


def _is_head(key: str) -> bool:
    return key.startswith(("fcn.", "fc.", "fc_layer.", "cls_head."))
