"""The padded dense ST-GCN that the field runs today: the baseline of the benchmarks.

Written as its authors write it: persons beside recordings, [N*M, C, T, V], a 1x1 convolution, an
einsum with the adjacency, batch norm, ReLU, a 9x1 convolution, batch norm, the residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.nn import STGCN
from stgraph.skeleton import SkeletonGraph


class PaddedBlock(nn.Module):
    """A unit of ST-GCN on [N*M, C, T, V].

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        num_types: Number K of partitions.
        kernel: Taps along time.
        stride: Stride along time.
        residual: Add a shortcut.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_types: int,
        kernel: int = 9,
        stride: int = 1,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.num_types = num_types
        self.gcn = nn.Conv2d(in_channels, out_channels * num_types, 1)
        self.tcn = nn.Sequential(
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, (kernel, 1), (stride, 1), (kernel // 2, 0)),
            nn.BatchNorm2d(out_channels),
        )
        self.residual: nn.Module | None = None
        if residual and in_channels == out_channels and stride == 1:
            self.residual = nn.Identity()
        elif residual:
            self.residual = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, (stride, 1)), nn.BatchNorm2d(out_channels)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        y = self.gcn(x)
        n, kc, t, v = y.shape
        y = y.view(n, self.num_types, kc // self.num_types, t, v)
        y = torch.einsum("nkctv,kvw->nctw", y, adjacency).contiguous()
        y = self.tcn(y)
        if self.residual is not None:
            y = y + self.residual(x)
        return self.relu(y)


class PaddedSTGCN(nn.Module):
    """ST-GCN on padded arrays [N, C, T, V, M].

    Args:
        in_channels: Channels of the input.
        num_classes: Size of the classifier.
        adjacency: [K, target, source].
        channels: Output channels of each unit.
        strides: Stride of each unit.
        kernel: Taps along time.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        adjacency: Tensor,
        channels: Sequence[int],
        strides: Sequence[int],
        kernel: int = 9,
    ) -> None:
        super().__init__()
        k, v, _ = adjacency.shape
        self.register_buffer("adjacency", adjacency.transpose(1, 2).contiguous())
        self.data_bn = nn.BatchNorm1d(in_channels * v)
        self.blocks = nn.ModuleList(
            PaddedBlock(inp, out, k, kernel, stride, residual=i > 0)
            for i, (inp, out, stride) in enumerate(
                zip([in_channels, *channels], channels, strides, strict=False)
            )
        )
        self.edge_importance = nn.ParameterList(torch.ones(k, v, v) for _ in channels)
        self.fc = nn.Linear(channels[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v, m = x.shape
        x = x.permute(0, 4, 3, 1, 2).contiguous().view(n * m, v * c, t)
        x = self.data_bn(x)
        x = x.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).contiguous().view(n * m, c, t, v)
        for block, importance in zip(self.blocks, self.edge_importance, strict=True):
            x = block(x, self.adjacency * importance)
        return self.fc(x.mean(dim=(2, 3)).view(n, m, -1).mean(dim=1))


@torch.no_grad()
def padded_twin(model: STGCN) -> PaddedSTGCN:
    """The padded network with the weights of a ragged one.

    Args:
        model: A classifier with a layout and the default block.

    Raises:
        ValueError: if the model has no layout or no classifier.
    """
    if model.layout is None or model.head is None or model.num_classes is None:
        raise ValueError("'padded_twin' expected an STGCN with a layout and num_classes")
    partition = model.partition_of(model.layout)
    blocks: Any = model.blocks
    kernel = blocks[0].temporal.kernel
    twin: Any = PaddedSTGCN(
        model.in_channels,
        model.num_classes,
        partition.dense(),
        model.channels,
        model.strides,
        kernel,
    )
    copy = _copy_module
    head: Any = model.head
    copy(twin.data_bn, model.data_norm)
    copy(twin.fc, head[-1])
    places = (partition.edge_type, partition.edge_index[0], partition.edge_index[1])
    for ours, theirs, importance in zip(blocks, twin.blocks, twin.edge_importance, strict=True):
        copy(theirs.gcn, ours.spatial.conv)
        copy(theirs.tcn[0], ours.norm1)
        copy(theirs.tcn[2], ours.temporal)
        copy(theirs.tcn[3], ours.norm2)
        if isinstance(theirs.residual, nn.Sequential):
            copy(theirs.residual[0], ours.shortcut.conv)
            copy(theirs.residual[1], ours.shortcut.norm)
        if ours.spatial.importance is not None:
            importance[places] = ours.spatial.importance
    return twin.train(model.training)


def _copy_module(target: nn.Module, source: nn.Module) -> None:
    state = source.state_dict()
    for name, value in target.state_dict().items():
        value.copy_(state[name].reshape(value.shape))


def to_padded(graphs: Sequence[SkeletonGraph], num_frames: int, num_persons: int = 2) -> Tensor:
    """Recordings as the dense array [N, C, T, V, M] of a padded network."""
    dense = torch.stack([graph.to_dense(num_frames, num_persons) for graph in graphs])
    return dense.permute(0, 4, 2, 3, 1).contiguous()
