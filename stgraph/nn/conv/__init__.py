"""Message-passing layers on the joints of a pose."""

from stgraph.nn.conv.ctr_graph_conv import CTRGraphConv
from stgraph.nn.conv.st_graph_conv import STGraphConv

__all__ = ["STGraphConv", "CTRGraphConv"]
