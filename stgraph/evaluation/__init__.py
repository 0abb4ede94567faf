"""Protocols and tables: what an encoder is worth, beside what it has to beat.

A comparison trains many settings with one recipe and several seeds and keeps every run;
:mod:`~stgraph.evaluation.controls` are the figures that need no graph learning; result files hold
one row a measured figure. Nothing here looks at test recordings before the last epoch is chosen.
"""

from stgraph.evaluation.action_detection import (
    FINDERS,
    WindowNeighbours,
    choose_finder,
    detected_by,
    detection_figures,
    fuse_detected,
)
from stgraph.evaluation.comparison import (
    Run,
    result_rows,
    run_comparison,
    run_setting,
    score_predictions,
)
from stgraph.evaluation.comparison_sets import (
    AUGMENTATIONS,
    VIEWS,
    ComparisonSets,
    load_comparison_sets,
)
from stgraph.evaluation.control_scores import (
    CONTROLS,
    Control,
    control_rows,
    control_scores,
    strongest_control,
)
from stgraph.evaluation.controls import (
    NO_POSE,
    LogisticRegressionOfStatistics,
    accuracy,
    logistic_regression,
    majority_class,
    nearest_neighbour_pose,
    resampled_poses,
    visibility_only,
)
from stgraph.evaluation.encoder_evaluation import EncoderEvaluation, Measured
from stgraph.evaluation.features import Features, extract_features, weights_digest
from stgraph.evaluation.few_shot import few_shot
from stgraph.evaluation.fine_tune import fine_tune, with_classifier
from stgraph.evaluation.fusion import FUSIONS, companion, fuse
from stgraph.evaluation.linear_probe import LinearProbe
from stgraph.evaluation.nearest_neighbours import TIES, nearest_neighbours, vote, weighted_vote
from stgraph.evaluation.preparation import prepare_poses, prepared_store
from stgraph.evaluation.projection import PROJECTIONS, project
from stgraph.evaluation.recipes import (
    Recipe,
    Setting,
    build_network,
    count_parameters,
    equal_width,
    fingerprint,
)
from stgraph.evaluation.statistics import (
    as_batch,
    motion_statistics,
    rich_motion_statistics,
    visibility_statistics,
)
from stgraph.evaluation.subsets import hold_out_classes, labelled_subset, without_classes
from stgraph.evaluation.tables import (
    ResultRow,
    Summary,
    command_line,
    commit,
    format_score,
    hardware,
    markdown_table,
    merge_results,
    read_results,
    results_markdown,
    summarise,
)

comparisons = [
    "Recipe",
    "Setting",
    "Run",
    "run_comparison",
    "run_setting",
    "score_predictions",
    "build_network",
    "count_parameters",
    "equal_width",
    "companion",
    "fuse",
    "FUSIONS",
    "fingerprint",
]
recordings = [
    "ComparisonSets",
    "load_comparison_sets",
    "AUGMENTATIONS",
    "VIEWS",
    "prepare_poses",
    "prepared_store",
]
control_baselines = [
    "majority_class",
    "logistic_regression",
    "LogisticRegressionOfStatistics",
    "visibility_only",
    "nearest_neighbour_pose",
    "motion_statistics",
    "rich_motion_statistics",
    "visibility_statistics",
    "resampled_poses",
    "accuracy",
    "as_batch",
    "NO_POSE",
    "control_scores",
    "strongest_control",
    "Control",
    "CONTROLS",
]
protocols = [
    "EncoderEvaluation",
    "Measured",
    "Features",
    "extract_features",
    "weights_digest",
    "LinearProbe",
    "few_shot",
    "fine_tune",
    "with_classifier",
    "labelled_subset",
    "hold_out_classes",
    "without_classes",
    "nearest_neighbours",
    "vote",
    "weighted_vote",
    "TIES",
    "project",
    "PROJECTIONS",
]
detectors = [
    "choose_finder",
    "FINDERS",
    "detection_figures",
    "WindowNeighbours",
    "detected_by",
    "fuse_detected",
]
result_tables = [
    "ResultRow",
    "read_results",
    "merge_results",
    "result_rows",
    "control_rows",
    "results_markdown",
    "markdown_table",
    "summarise",
    "Summary",
    "format_score",
    "commit",
    "hardware",
    "command_line",
]

__all__ = [*comparisons, *recordings, *control_baselines, *protocols, *detectors, *result_tables]
