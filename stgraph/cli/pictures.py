"""Pictures of ``stgraph evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def draw_evaluation(
    folder: Path,
    bank: Any,
    asked: Any,
    names: tuple[str, ...],
    results: Sequence[Any],
    marked: bool,
) -> list[Path]:
    """Pictures of the embeddings, and of what the first protocol with answers answered.

    Args:
        folder: Where to.
        bank: Features of training.
        asked: Features of the part that was asked.
        names: Names of the classes.
        results: Figures, see :class:`~stgraph.evaluation.Measured`.
        marked: Whether to mark the pictures as of generated data.
    """
    import torch

    from stgraph.evaluation.projection import project
    from stgraph.metrics import confusion_matrix
    from stgraph.viz import (
        draw_class_differences,
        draw_class_frequencies,
        draw_confusion,
        draw_embedding,
        save_figure,
    )

    shown = asked.take(asked.has_pose)
    written = []
    for how, dims, title in (
        ("tsne", 2, "t-SNE of test embeddings"),
        ("pca", 2, "Two principal components of test embeddings"),
        ("pca", 3, "Three principal components of test embeddings"),
    ):
        points = project(shown.x, how, dims)
        figure = draw_embedding(points, shown.y, names, title=title, synthetic=marked)
        written.append(save_figure(figure, folder / f"{how}_{dims}d.png"))
    counts = torch.bincount(bank.y, minlength=len(names))
    accuracy = None
    answered = next((row for row in results if row.predicted is not None), None)
    if answered is not None:
        predicted, word = answered.predicted, answered.setting
        logits = torch.nn.functional.one_hot(predicted.clamp(min=0), len(names)).float()
        matrix = confusion_matrix(logits, asked.y, len(names), predicted >= 0, missing_column=True)
        if not bool(matrix[:, -1].any()):
            matrix = matrix[:, :-1]
        total = matrix.sum(dim=1).double()
        accuracy = (matrix.diagonal()[: len(names)] / total).tolist()
        figure = draw_confusion(matrix, names, title=f"Test: {word}", synthetic=marked)
        written.append(save_figure(figure, folder / "confusion.png"))
        figure = draw_class_differences(
            accuracy, names, title=f"Accuracy of each class, {word}", synthetic=marked
        )
        written.append(save_figure(figure, folder / "class_differences.png"))
    figure = draw_class_frequencies(
        counts.tolist(), names, accuracy=accuracy, title="Frequency of classes", synthetic=marked
    )
    written.append(save_figure(figure, folder / "class_frequencies.png"))
    return written


def draw_filled_in(folder: Path, model: str, source: Any, number: int, marked: bool) -> list[Path]:
    """A film strip and an animation of what a masked autoencoder fills in.

    Args:
        folder: Where to.
        model: Folder of the encoder, with its decoder.
        source: Recordings.
        number: Which of them.
        marked: Whether to mark the pictures as of generated data.
    """
    import torch

    from stgraph.tasks import load_reconstruction
    from stgraph.tasks.saving import outer_transform
    from stgraph.viz import animate_reconstruction, draw_reconstruction, save_figure

    objective = load_reconstruction(model)
    before = outer_transform(model)
    batch = source.store.batch(source.indices()[number : number + 1])
    batch = batch if before is None else before(batch)
    filled = objective.fill_in(batch, torch.Generator().manual_seed(0))
    truth, prediction = (part.to_data_list()[0] for part in (filled.truth, filled.prediction))
    title = f"{type(objective.masking).__name__}, {float(filled.hidden.float().mean()):.0%} hidden"
    looks: Any = {"title": title, "synthetic": marked}
    figure = draw_reconstruction(truth, prediction, filled.hidden, **looks)
    animation = folder / "reconstruction.gif"
    return [
        save_figure(figure, folder / "reconstruction.png"),
        animate_reconstruction(truth, prediction, filled.hidden, animation, **looks),
    ]
