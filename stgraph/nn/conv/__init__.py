"""Message-passing layers on the joints of a pose."""

from stgraph.nn.conv.adaptive_graph_conv import AdaptiveGraphConv
from stgraph.nn.conv.ctr_graph_conv import CTRGraphConv
from stgraph.nn.conv.dynamic_group_graph_conv import DynamicGroupGraphConv
from stgraph.nn.conv.st_graph_conv import STGraphConv

__all__ = ["STGraphConv", "CTRGraphConv", "AdaptiveGraphConv", "DynamicGroupGraphConv"]
