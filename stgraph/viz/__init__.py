"""Pictures and animations: skeletons, partitions, recordings, and charts of results.

Every function returns a matplotlib figure (or the axes it drew on) that belongs to no window, so it
works without a screen; :func:`save_figure` writes it. Colours are told apart by colour-blind
people, lengths are equal along both axes, and pictures have y down. Figures of generated data are
marked with ``synthetic=True``. Matplotlib is loaded when something is drawn.
"""

from stgraph.viz.charts import draw_confusion, draw_learning_curves, draw_scores
from stgraph.viz.class_charts import draw_class_differences, draw_class_frequencies
from stgraph.viz.densities import draw_densities
from stgraph.viz.embedding import draw_embedding
from stgraph.viz.forecast import animate_forecast, draw_forecast
from stgraph.viz.horizons import draw_horizons, draw_levels
from stgraph.viz.kept_edges import KeptEdges, draw_kept_edges
from stgraph.viz.order import draw_order_confusion
from stgraph.viz.partition import draw_partition, draw_partitions
from stgraph.viz.reconstruction import animate_reconstruction, draw_reconstruction
from stgraph.viz.recording import animate, draw_recording
from stgraph.viz.rest_pose import rest_pose
from stgraph.viz.skeleton import draw_skeleton, to_plane, typical_pose
from stgraph.viz.sparsity_curve import draw_sparsity_curve
from stgraph.viz.style import house_style, mark_synthetic, new_figure, save_figure
from stgraph.viz.timeline import draw_detections

__all__ = [
    # skeletons
    "draw_skeleton",
    "rest_pose",
    "typical_pose",
    "to_plane",
    # partitions
    "draw_partition",
    "draw_partitions",
    "KeptEdges",
    "draw_kept_edges",
    # recordings
    "draw_recording",
    "animate",
    "draw_reconstruction",
    "animate_reconstruction",
    "draw_forecast",
    "animate_forecast",
    "draw_detections",
    # results
    "draw_scores",
    "draw_learning_curves",
    "draw_confusion",
    "draw_class_differences",
    "draw_class_frequencies",
    "draw_order_confusion",
    "draw_horizons",
    "draw_levels",
    "draw_sparsity_curve",
    "draw_densities",
    # embeddings
    "draw_embedding",
    # figures
    "new_figure",
    "save_figure",
    "house_style",
    "mark_synthetic",
]
