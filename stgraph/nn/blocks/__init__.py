"""Space-time blocks: a spatial operator, a temporal convolution, and what lies between them.

Every block is called ``block(x, edges, plan)`` with ``x`` [V, P, C_in] and returns [V, P', C_out];
``plan`` is the temporal plan of the block's stride.
"""

from stgraph.nn.blocks.nagy import PlainBlock, PreActivationBlock
from stgraph.nn.blocks.pyskl import AAGCNBlock, DGSTGCNBlock, STGCNPlusPlusBlock
from stgraph.nn.blocks.yan import STGCNBlock

__all__ = [
    "AAGCNBlock",
    "DGSTGCNBlock",
    "PlainBlock",
    "PreActivationBlock",
    "STGCNBlock",
    "STGCNPlusPlusBlock",
]
