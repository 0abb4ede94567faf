"""What the rows of a comparison share and what each changes, and the networks that follow."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import nn

from stgraph.evaluation.comparison_sets import VIEWS, ComparisonSets
from stgraph.evaluation.fusion import FUSIONS
from stgraph.nn import STGCN
from stgraph.nn.stages import stgcn_channels
from stgraph.skeleton import PartitionStrategy, RandomEdges, SpatialConfiguration, resolve_partition
from stgraph.tasks import fit_partition

__all__ = [
    "Recipe",
    "Setting",
    "build_network",
    "count_parameters",
    "equal_width",
    "fingerprint",
    "measured_name",
    "model_name",
    "stream_name",
]


@dataclass(frozen=True)
class Recipe:
    """What all rows of a comparison share: network, input and training.

    Attributes:
        width: Channels of the first unit; a fraction gives each stage the nearest whole number.
        depth: 9 or 12.
        block: ``"stgcn"``, ``"plain"`` or ``"preactivation"``.
        norm: Batch norm of plain blocks: ``"both"``, ``"start"``, ``"end"``, ``"none"``.
        relu_first: ReLU before the last batch norm of plain blocks.
        data_norm: See :class:`~stgraph.nn.STGCN`.
        edge_importance: Learn a factor for each edge.
        temporal_kernel: Taps of the temporal convolutions.
        dropout: Dropout of the units.
        streams: Input, see :class:`~stgraph.transforms.Stream`.
        score_channel: Append the score.
        epochs: Passes over the training recordings.
        batch_size: Recordings of a step.
        optimizer: ``"adam"``, ``"adamw"`` or ``"sgd"``.
        lr: Highest learning rate.
        schedule: ``"cosine"``, ``"steps"`` or ``"constant"``.
        warmup_epochs: Epochs of warm-up.
        weight_decay: Weight decay.
        label_smoothing: Label smoothing.
        ema_decay: Weight averaging.
        augment: Random changes of training recordings, see
            :meth:`ComparisonSets.augmentation`.
        views: What is tested of a recording: ``"whole"``, or ``"stretches"``: the mean over the
            whole and six stretches of three quarters and a half of its frames.
        fuse: What has a say beside the network when it is tested: ``"none"``, or ``"statistics"``:
            logistic regression on motion statistics of the same recordings, with equal weight.
        distance: Of the spatial configuration: ``"measured"`` on training, or ``"hops"``.
    """

    width: float = 16
    depth: int = 9
    block: str = "stgcn"
    norm: str = "both"
    relu_first: bool = False
    data_norm: str = "joint"
    edge_importance: bool = False
    temporal_kernel: int = 9
    dropout: float = 0.1
    streams: tuple[str, ...] = ("joint",)
    score_channel: bool = False
    epochs: int = 30
    batch_size: int = 16
    optimizer: str = "adam"
    lr: float = 2e-3
    schedule: str = "cosine"
    warmup_epochs: float = 0
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    augment: str = "report"
    views: str = "whole"
    fuse: str = "none"
    distance: str = "measured"

    def __post_init__(self) -> None:
        """Refuses ways of testing that there are not, before anything is trained.

        Raises:
            ValueError: if ``views`` or ``fuse`` is unknown.
        """
        for name, known in (("views", tuple(VIEWS)), ("fuse", FUSIONS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"unknown {name} {getattr(self, name)!r}; known are {', '.join(known)}"
                )


@dataclass(frozen=True)
class Setting:
    """A row of a comparison.

    Attributes:
        name: What the table calls it.
        words: How results files name it, after ``supervised``: the partition first.
        partition: Name of a strategy.
        normalisation: See :class:`~stgraph.skeleton.PartitionStrategy`.
        changes: Fields of the recipe that are other in this row.
        control: Whether the others have to beat it.
        refit: Train on training and validation recordings; the last epoch counts.
    """

    name: str
    words: str
    partition: str
    normalisation: str = "target"
    changes: tuple[tuple[str, Any], ...] = ()
    control: bool = False
    refit: bool = False

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe of this row.

        Raises:
            ValueError: if it changes a field that a recipe does not have.
        """
        known = [field.name for field in fields(Recipe)]
        unknown = sorted({name for name, _ in self.changes} - set(known))
        if unknown:
            raise ValueError(f"a recipe has no {', '.join(unknown)}; it has {', '.join(known)}")
        return replace(recipe, **dict(self.changes))


def strategy_for(setting: Setting, recipe: Recipe, sets: ComparisonSets, seed: int) -> Any:
    """The partition strategy of a setting, with what it measures measured on training alone."""
    how: dict[str, Any] = {"normalisation": setting.normalisation}
    if setting.partition == "spatial":
        strategy: PartitionStrategy = SpatialConfiguration(recipe.distance, **how)
    elif setting.partition == "random":
        labels = fit_partition(SpatialConfiguration(recipe.distance), sets.prepared["train"])
        return RandomEdges(labels, seed=seed, **how)
    else:
        strategy = resolve_partition(setting.partition, **how)
    return fit_partition(strategy, sets.prepared["train"])


def build_network(setting: Setting, recipe: Recipe, sets: ComparisonSets, seed: int = 0) -> STGCN:
    """The network of a setting; its first weights depend on the seed alone."""
    recipe = setting.applied(recipe)
    plain = {"norm": recipe.norm, "relu_first": recipe.relu_first}
    torch.manual_seed(seed)
    return STGCN(
        in_channels=(sets.num_dims + recipe.score_channel) * len(recipe.streams),
        num_classes=len(sets.class_names),
        layout=sets.layout,
        partition=strategy_for(setting, recipe, sets, seed),
        channels=[round(recipe.width * factor) for factor in stgcn_channels(1, recipe.depth)],
        block=recipe.block,
        data_norm=recipe.data_norm,
        edge_importance=recipe.edge_importance,
        temporal_kernel=recipe.temporal_kernel,
        dropout=recipe.dropout,
        block_kwargs=plain if recipe.block == "plain" else None,
    )


def model_name(recipe: Recipe) -> str:
    """How results name the network: depth, block, width, and input and views if not the usual."""
    name = f"stgcn{recipe.depth}-{recipe.block}-w{recipe.width:g}"
    inputs = [*recipe.streams, *(["score"] if recipe.score_channel else [])]
    if inputs != ["joint"]:
        name += f"-{'+'.join(inputs)}"
    return name + measured_name(recipe)


def measured_name(recipe: Recipe) -> str:
    """How a trained network is tested, in words after its name; none for the usual way."""
    views = "" if recipe.views == "whole" else f"-{recipe.views}"
    return views if recipe.fuse == "none" else f"{views}-with-{recipe.fuse}"


def stream_name(recipe: Recipe) -> str:
    """How results call the input: one stream by its name, several ``fused2`` and so on."""
    if len(recipe.streams) > 1:
        return f"fused{len(recipe.streams)}"
    own = recipe.streams[0]
    return own.replace("relative", "joint").replace("centred", "joint")


def count_parameters(network: nn.Module) -> int:
    """Number of parameters that are trained."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def equal_width(setting: Setting, recipe: Recipe, sets: ComparisonSets, parameters: int) -> float:
    """The width, in eighths, at which a network comes nearest to a number of parameters."""

    def size(eighths: int) -> int:
        changes = (*setting.changes, ("width", eighths / 8))
        return count_parameters(build_network(replace(setting, changes=changes), recipe, sets))

    low, high = 8, 16
    while size(high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < parameters else (low, middle)
    return min((low, high), key=lambda eighths: abs(size(eighths) - parameters)) / 8


def fingerprint(setting: Setting, recipe: Recipe, sets: ComparisonSets, seed: int) -> str:
    """Of everything that decides what is trained, except the code and how it is tested."""
    row = asdict(setting)
    for cosmetic in ("name", "words", "control"):
        row.pop(cosmetic)
    trained = asdict(setting.applied(recipe))
    trained.pop("views")
    trained.pop("fuse")
    facts = [row, trained, sets.facts, seed]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
