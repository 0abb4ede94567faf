"""Temporal layers on ragged tracks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stgraph.nn.channels import ChannelSlice, LayerChannels, channels_of, present
from stgraph.ops import TemporalPlan, temporal_conv


class TemporalConv(nn.Module):
    r"""Convolution along each track, with zeros beyond its ends.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Odd number of taps.
        stride: Every ``stride``-th pose of a track remains.
        dilation: Distance between taps.
        bias: Learn a bias.

    Shapes:
        - **input:** `x` (V, P, C_in), a plan of the same stride
        - **output:** (V, P', C_out)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 9,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"'TemporalConv' expected an odd kernel (got {kernel})")
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    @property
    def reach(self) -> int:
        """How many poses the kernel sees to either side."""
        return self.dilation * (self.kernel - 1) // 2

    def reset_parameters(self) -> None:
        """Draws the parameters anew, as torch's convolutions do."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight.size(1) * self.kernel)
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor, plan: TemporalPlan) -> Tensor:
        """Convolves; see the class for shapes."""
        return temporal_conv(x, self.weight, self.bias, plan, self.stride, self.dilation)

    def channel_slices(self) -> LayerChannels:
        """Where its channels lie."""
        writes = present(self, ChannelSlice("weight"), ChannelSlice("bias"))
        return LayerChannels((ChannelSlice("weight", axis=1),), writes, writes, None)

    def extra_repr(self) -> str:
        out, inp, k = self.weight.shape
        return f"{inp}, {out}, kernel={k}, stride={self.stride}, dilation={self.dilation}"


class PoseNorm(nn.BatchNorm1d):
    """Batch norm of the channels over all joints of all poses: (V, P, C) to (V, P, C).

    Only poses that exist enter the statistics.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).view(x.shape)


class Shortcut(nn.Module):
    """The residual branch of a block: nothing, the identity, or a strided 1x1 convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the block.
        norm: Batch norm after the convolution.
        conv: Whether there is a convolution; by default where the identity would not fit.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        norm: bool = True,
        conv: bool | None = None,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv: TemporalConv | None = None
        self.norm: PoseNorm | None = None
        if conv or (conv is None and (stride != 1 or in_channels != out_channels)):
            self.conv = TemporalConv(in_channels, out_channels, kernel=1, stride=stride)
            self.norm = PoseNorm(out_channels) if norm else None

    def forward(self, x: Tensor, plan: TemporalPlan) -> Tensor:
        """(V, P, C_in) to (V, P', C_out)."""
        if self.conv is None:
            return x
        x = self.conv(x, plan)
        return x if self.norm is None else self.norm(x)

    def channel_slices(self) -> LayerChannels:
        """Where the channels of its convolution and norm lie; the identity has none."""
        conv, norm = channels_of(self.conv, "conv"), channels_of(self.norm, "norm")
        silences = conv.silences if self.norm is None else norm.silences
        return LayerChannels(conv.reads, (conv.writes or ()) + (norm.writes or ()), silences, None)
