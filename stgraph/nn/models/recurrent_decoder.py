"""The reference decoder of motion prediction: a recurrent cell that is fed with its own output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stgraph.nn.models.motion_predictor import MotionContext
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.skeleton import SkeletonLayout, resolve_layout


class RecurrentDecoder(PretrainedMixin, nn.Module):
    r"""A gated recurrent cell with residual velocities, from `"On Human Motion Prediction Using
    Recurrent Neural Networks" <https://arxiv.org/abs/1705.02445>`_ in the form that Hi-TRS uses.

    .. math::
        \mathbf{h}_t = \operatorname{GRU}(\mathbf{x}_{t-1}, \mathbf{h}_{t-1}), \qquad
        \mathbf{x}_t = \mathbf{x}_{t-1} + \mathbf{W} \operatorname{dropout}(\mathbf{h}_t)
        + \mathbf{b}

    with :math:`\mathbf{x}_0` the joints where they were last seen and :math:`\mathbf{h}_0` a linear
    map of the encoder's embedding.

    Args:
        in_channels: Channels of the encoder's embedding.
        layout: The joints; a :class:`~stgraph.skeleton.SkeletonLayout` or a name.
        num_dims: Coordinates of a joint.
        width: Size of the state; 1024 as published.
        dropout: Of the state before it becomes a velocity; 0.5 in the supplement of Hi-TRS.

    Shapes:
        - **input:** a :class:`~stgraph.nn.MotionContext` of W tracks and the number H of poses
        - **output:** :math:`(W, H, V, D)`

    Differs from the source: the output begins at 0, as the baseline that stands still; the state
    begins with an embedding, not with the state of a recurrent encoder.
    """

    #: What the decoder asks of :class:`~stgraph.nn.MotionPredictor`.
    needs_nodes, num_recent = False, 0

    def __init__(
        self,
        in_channels: int,
        layout: SkeletonLayout | str,
        num_dims: int = 3,
        width: int = 1024,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.layout: SkeletonLayout = resolve_layout(layout)
        self.config = {
            "in_channels": in_channels,
            "layout": self.layout,
            "num_dims": num_dims,
            "width": width,
            "dropout": dropout,
        }
        self.num_dims = num_dims
        size = self.layout.num_joints * num_dims
        self.enter = nn.Linear(in_channels, width)
        self.cell = nn.GRUCell(size, width)
        self.dropout = nn.Dropout(dropout)
        self.velocity = nn.Linear(width, size)
        nn.init.zeros_(self.velocity.weight)
        nn.init.zeros_(self.velocity.bias)

    def forward(self, context: MotionContext, num_future: int) -> Tensor:
        x, h = context.start.flatten(1), self.enter(context.embedding)
        poses = []
        for _ in range(num_future):
            h = self.cell(x, h)
            x = x + self.velocity(self.dropout(h))
            poses.append(x)
        return torch.stack(poses, dim=1).unflatten(2, (-1, self.num_dims))

    @torch.no_grad()
    def permute_joints(self, perm: Sequence[int]) -> RecurrentDecoder:
        """The same decoder for a layout whose new joint i is the old ``perm[i]``, in place."""
        self.layout = self.layout.permute(perm)
        self.config["layout"] = self.layout
        order = torch.arange(self.cell.input_size).view(-1, self.num_dims)[list(perm)].flatten()
        order = order.to(self.velocity.weight.device)
        self.cell.weight_ih.copy_(self.cell.weight_ih[:, order])
        self.velocity.weight.copy_(self.velocity.weight[order])
        self.velocity.bias.copy_(self.velocity.bias[order])
        return self
