"""The edges of a network, on the layout that it belongs to or on any."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.nn.kept_joints import columns_of
from stgraph.skeleton import Partition, PartitionStrategy, SkeletonLayout


class BoundEdges:
    """Which labelled edges a network uses on the layouts that come in.

    Args:
        layout: The network's; None for any layout.
        strategy: Labels the edges of a layout.
        kept: Numbers of the joints that the network looks at, int64 [V']; None for all.
        fixed: The edges of ``layout``, instead of the strategy's.

    Attributes:
        inside: The edges that the units see, between the kept joints; None without a layout.
    """

    inside: Partition | None = None

    def __init__(
        self,
        layout: SkeletonLayout | None,
        strategy: PartitionStrategy | None,
        kept: Tensor | None = None,
        fixed: Partition | None = None,
    ) -> None:
        self.layout, self.strategy = layout, strategy
        self.kept = None if kept is None else kept.cpu()
        self._known: dict[SkeletonLayout, Partition] = {}
        if layout is None:
            return
        whole = self._labelled(layout) if fixed is None else fixed
        self.inside = self._known[layout] = whole
        if self.kept is not None:
            ends = torch.isin(whole.edge_index, self.kept)
            self._known[layout] = whole.subset(ends.all(dim=0))
            self.inside = whole.among(self.kept)

    def of(self, layout: SkeletonLayout, who: str) -> Partition:
        """The edges on a layout, by the joint numbers of it.

        Args:
            layout: A recording's.
            who: The network, named in errors.

        Raises:
            ValueError: if the network is bound to a layout of other joints, or in another order.
        """
        if layout not in self._known:
            self._known[layout] = self._found(layout, who)
        return self._known[layout]

    def columns(self, layout: SkeletonLayout) -> Tensor | None:
        """Where the joints that are looked at are in a recording; None for all in their order."""
        if self.kept is None or self.layout is None:
            return None
        return columns_of(self.layout, self.kept, layout)

    def _found(self, layout: SkeletonLayout, who: str) -> Partition:
        if self.layout is None or self.inside is None:
            return self._labelled(layout)
        conflict = self.layout.joint_conflict(layout)
        if conflict is None:
            # recordings read under a variant's name share the joints of the bound layout
            return self._known[self.layout]
        columns = self.columns(layout)
        if columns is None:
            raise ValueError(
                f"this {who} is bound to layout {self.layout.name!r} and got {layout.name!r} "
                f"({conflict}); convert the recordings, or build it with layout=None for any layout"
            )
        return self.inside.among(columns.argsort())

    def _labelled(self, layout: SkeletonLayout) -> Partition:
        assert self.strategy is not None
        return self.strategy(layout)
