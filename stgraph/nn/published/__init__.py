"""Published networks: their weights into ours and back, without running anybody's code.

The naming of a network is recognised by its keys. Widths, kernels, classes and adjacencies are read
off the tensors; what tensors do not show (strides that change no shape, dilations) is as published
unless given. Loading is strict.
"""

from stgraph.nn.published.files import read_state_dict
from stgraph.nn.published.hitrs import HiTRSParts, load_hitrs, to_hitrs
from stgraph.nn.published.load import load_published, to_published
from stgraph.nn.published.mamp import MAMPParts, load_mamp, to_mamp

__all__ = [
    "load_published",
    "to_published",
    "load_mamp",
    "to_mamp",
    "MAMPParts",
    "load_hitrs",
    "to_hitrs",
    "HiTRSParts",
    "read_state_dict",
]
