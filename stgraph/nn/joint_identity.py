"""Who a joint is: an embedding for each joint of a layout, or one that any layout shares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stgraph.skeleton import SkeletonLayout, named_layouts, resolve_layout

#: Hop distances from here on share an embedding.
MAX_HOPS = 8
SIDES = ("none", "left", "right")
PARTS = (
    "none",
    "head",
    "trunk",
    "arm",
    "leg",
    "palm",
    "thumb",
    "index",
    "middle",
    "ring",
    "pinky",
)


def known_joint_names() -> tuple[str, ...]:
    """The canonical names of the joints of all named layouts, sorted."""
    names = {c for name in named_layouts() for c in resolve_layout(name).canonical if c}
    return tuple(sorted(names))


class JointEmbedding(nn.Module):
    """A learned vector for each joint of one layout.

    Args:
        num_joints: V.
        width: D.
    """

    def __init__(self, num_joints: int, width: int) -> None:
        super().__init__()
        self.num_joints = num_joints
        self.weight = nn.Parameter(torch.empty(num_joints, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal of deviation 0.02."""
        nn.init.trunc_normal_(self.weight, std=0.02)

    def describe(self, layouts: Sequence[SkeletonLayout]) -> Tensor:
        """Rows for the joints of a layout, int64 [V, 1]."""
        return torch.arange(self.num_joints, device=self.weight.device)[:, None]

    def forward(self, description: Tensor) -> Tensor:
        """One vector a row of a description, [V, D]."""
        return self.weight[description[:, 0]]

    @torch.no_grad()
    def permute_joints(self, order: Tensor) -> None:
        """The same vectors for joints in another order: new joint i is the old ``order[i]``."""
        self.weight.copy_(self.weight[order.to(self.weight.device)])


class GraphJointEmbedding(nn.Module):
    r"""A vector for a joint of any layout, from what the layout says of it.

    .. math::
        \mathbf{e}_v = \mathbf{n}_{\text{name}(v)} + \mathbf{h}_{\text{hops}(v)} +
        \mathbf{p}_{\text{part}(v)} + \mathbf{s}_{\text{side}(v)}

    with the canonical name, the hop distance to the centre, the body part and the side of a joint;
    what a layout does not say has an embedding of its own. Layouts that share joint names share
    their embeddings, so that one encoder learns on several of them and knows new ones in part.

    Args:
        width: D.
        joint_names: Canonical names that have an embedding; by default those of all named layouts.
    """

    def __init__(self, width: int, joint_names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.joint_names = tuple(known_joint_names() if joint_names is None else joint_names)
        self.name = nn.Embedding(len(self.joint_names) + 1, width)
        self.hops = nn.Embedding(MAX_HOPS + 2, width)
        self.part = nn.Embedding(len(PARTS), width)
        self.side = nn.Embedding(len(SIDES), width)
        self._known: dict[SkeletonLayout, Tensor] = {}
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal of deviation 0.01, so that the four together have 0.02."""
        for table in (self.name, self.hops, self.part, self.side):
            nn.init.trunc_normal_(table.weight, std=0.01)

    def describe(self, layouts: Sequence[SkeletonLayout]) -> Tensor:
        """Rows for the joints of layouts, one after the other, int64 [V_1 + V_2 + ..., 4]."""
        for layout in layouts:
            if layout not in self._known:
                self._known[layout] = self._described(layout)
        rows = torch.cat([self._known[layout] for layout in layouts])
        return rows.to(self.name.weight.device)

    def _described(self, layout: SkeletonLayout) -> Tensor:
        hops = layout.centre_hops if layout.centre else torch.full((layout.num_joints,), -1)
        rows = []
        for joint, name in enumerate(layout.canonical):
            known = self.joint_names.index(name) + 1 if name in self.joint_names else 0
            parts = [part for part, members in layout.parts.items() if joint in members]
            word = parts[0].split("_")[-1] if parts else "none"
            left = any(joint == pair[0] for pair in layout.left_right)
            right = any(joint == pair[1] for pair in layout.left_right)
            rows.append(
                [
                    known,
                    min(int(hops[joint]), MAX_HOPS) + 1,
                    PARTS.index(word) if word in PARTS else 0,
                    1 * left + 2 * right,
                ]
            )
        return torch.tensor(rows)

    def forward(self, description: Tensor) -> Tensor:
        """One vector a row of a description, [V, D]."""
        name, hops, part, side = description.unbind(1)
        return self.name(name) + self.hops(hops) + self.part(part) + self.side(side)
