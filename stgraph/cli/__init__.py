"""The command ``stgraph``: the whole job without writing Python.

``stgraph fit`` trains a recogniser from a recipe, ``stgraph test`` measures it, ``stgraph predict``
applies it to files. A recipe is one YAML file; data set, stream, layout, partition and width are
arguments of it, never copies.
"""

from stgraph.cli.application import main

__all__ = ["main"]
