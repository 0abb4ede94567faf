"""Controls that stand beside every table: what a figure is worth without any graph learning.

Each control is a pure function of training and test recordings and returns one predicted class for
each test recording. A recording without a pose is left out of training and predicted as
:data:`NO_POSE`, which no class number equals: it counts as wrong, and ``n`` stays the official one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from stgraph.evaluation.statistics import as_batch, motion_statistics, visibility_statistics

__all__ = [
    "NO_POSE",
    "LogisticRegressionOfStatistics",
    "accuracy",
    "logistic_regression",
    "majority_class",
    "nearest_neighbour_pose",
    "resampled_poses",
    "visibility_only",
]

#: Predicted class of a recording without a pose.
NO_POSE = -1

#: Inverse regularisation strengths among which validation chooses.
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def accuracy(predicted: Tensor, data: Any) -> float:
    """Share of the recordings of ``data`` whose class was predicted, over all of them."""
    return (predicted == as_batch(data).y).double().mean().item()


def majority_class(train: Any, test: Any) -> Tensor:
    """Predict the most frequent class of the training recordings for every test recording.

    Args:
        train: Training recordings (see :func:`as_batch`).
        test: Test recordings.

    Returns:
        Predicted classes, int64 [B]; needs no pose, so a recording without one gets a class too.
    """
    most = torch.bincount(as_batch(train).y).argmax()
    return most.expand(as_batch(test).num_recordings).clone()


class LogisticRegressionOfStatistics:
    """Logistic regression on standardised features of whole recordings.

    Recordings without a pose train nothing.

    Args:
        train: Training recordings (see :func:`as_batch`).
        validation: Recordings that choose the strength; by default every fifth training recording
            of each class.
        features: Function of a batch to features [B, F].
        strengths: Inverse regularisation strengths to choose among.
        refit: Whether the final model is fitted on training and validation recordings together.
    """

    def __init__(
        self,
        train: Any,
        validation: Any | None = None,
        features: Callable[[Any], Tensor] = motion_statistics,
        strengths: Sequence[float] = STRENGTHS,
        refit: bool = False,
    ) -> None:
        self.features = features
        x, y = self._table(train)
        if validation is None:
            held = torch.zeros_like(y, dtype=torch.bool)
            for label in y.unique():
                held[(y == label).nonzero()[::5, 0]] = True
            x_val, y_val, x_fit, y_fit = x[held], y[held], x[~held], y[~held]
        else:
            (x_val, y_val), x_fit, y_fit = self._table(validation), x, y
            if refit:
                x, y = torch.cat([x, x_val]), torch.cat([y, y_val])
        scores = [
            self._fitted(x_fit, y_fit, c).score(x_val.numpy(), y_val.numpy()) for c in strengths
        ]
        #: The strength that was chosen.
        self.strength = strengths[max(range(len(strengths)), key=scores.__getitem__)]
        self.model = self._fitted(x, y, self.strength)

    def _table(self, data: Any) -> tuple[Tensor, Tensor]:
        batch = as_batch(data)
        posed = batch.poses_per_recording > 0
        return self.features(batch)[posed], batch.y[posed]

    def _fitted(self, x: Tensor, y: Tensor, strength: float) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=3000))
        return model.fit(x.numpy(), y.numpy())

    def predict(self, data: Any) -> Tensor:
        """Predicted classes, int64 [B]; :data:`NO_POSE` for a recording without a pose."""
        batch = as_batch(data)
        predicted = torch.from_numpy(self.model.predict(self.features(batch).numpy()))
        return torch.where(batch.poses_per_recording > 0, predicted, NO_POSE)

    def log_probabilities(self, data: Any, num_classes: int) -> Tensor:
        """Logarithms of the probabilities of classes, float32 [B, C]; -inf of those never seen."""
        found = torch.from_numpy(
            self.model.predict_log_proba(self.features(as_batch(data)).numpy())
        )
        out = found.new_full((found.size(0), num_classes), float("-inf"))
        out[:, torch.from_numpy(self.model.classes_)] = found
        return out.float()


def logistic_regression(
    train: Any, test: Any, validation: Any | None = None, **kwargs: Any
) -> Tensor:
    """Predict with :class:`LogisticRegressionOfStatistics`.

    Args:
        train: Training recordings (see :func:`as_batch`).
        test: Test recordings; they choose nothing.
        validation: Recordings that choose the strength.
        **kwargs: Further arguments of :class:`LogisticRegressionOfStatistics`.

    Returns:
        Predicted classes, int64 [B].
    """
    return LogisticRegressionOfStatistics(train, validation, **kwargs).predict(test)


def visibility_only(train: Any, test: Any, validation: Any | None = None, **kwargs: Any) -> Tensor:
    """Logistic regression on :func:`visibility_statistics`: how far missingness leaks the class."""
    return logistic_regression(train, test, validation, features=visibility_statistics, **kwargs)


def resampled_poses(
    batch: Any,
    num_frames: int = 64,
    centre: int | Sequence[int] | None = None,
    scale: bool = False,
    num_persons: int = 1,
    unit: Sequence[float] | None = None,
) -> Tensor:
    """Stretch every recording to the same number of frames.

    Frames without a pose do not exist, so a person's tracks are joined. Every frame is centred; a
    joint that was not found lies in the centre.

    Args:
        batch: Recordings of one layout (see :func:`as_batch`).
        num_frames: Number T of frames; positions between two poses are interpolated linearly.
        centre: Joint or joints whose mean is the centre of a frame; by default all found joints,
            none (``()``) leaves positions as they are. With several persons it is the centre of the
            first one.
        scale: Whether every pose is divided by the standard deviation of its found joints.
        num_persons: Number M of persons, in the order of their numbers; absent ones are 0.
        unit: Factor of each axis, [D], for sets whose axes have different scales.

    Returns:
        float32 [B, M, T, V, D].
    """
    batch = as_batch(batch)
    b, v, d = batch.num_recordings, batch.num_joints, batch.num_dims
    pos, found = batch.folded("pos"), batch.folded_score() > 0
    if unit is not None:
        pos = pos * torch.tensor(unit, dtype=pos.dtype)
    owner, person = batch.pose_batch, batch.person[batch.track]
    most = int(person.max()) + 1 if len(person) else 1
    key, slot = (owner * most + person).unique(return_inverse=True)
    count = torch.bincount(key // most, minlength=b)
    slot = slot - (count.cumsum(0) - count)[owner]

    whole = pos.new_zeros(b * num_persons, num_frames, v, 2 * d + 1)
    joints = (
        list(range(v)) if centre is None else [centre] if isinstance(centre, int) else list(centre)
    )
    weight = found[:, joints].to(pos.dtype)[..., None]
    middle = (pos[:, joints] * weight).sum(1) / weight.sum(1).clamp(min=1)
    shape = pos - middle[:, None]
    if scale:
        spread = (shape.square() * found[..., None]).sum((1, 2)) / (d * found.sum(1).clamp(min=1))
        shape = shape / spread.sqrt().clamp(min=1e-6)[:, None, None]
    shape = shape * found[..., None]
    value = torch.cat(
        [shape, middle[:, None].expand(-1, v, -1), found[..., None].to(pos.dtype)], -1
    )

    kept = (slot < num_persons).nonzero()[:, 0]
    cell = owner[kept] * num_persons + slot[kept]
    order = kept[
        torch.argsort(cell * (int(batch.frame.max()) + 1 if len(kept) else 1) + batch.frame[kept])
    ]
    length = torch.bincount(cell, minlength=b * num_persons)
    there = length.nonzero()[:, 0]
    first = (length.cumsum(0) - length)[there]
    place = torch.linspace(0, 1, num_frames, dtype=torch.float64) * (length[there, None] - 1)
    lower = place.floor().long()
    upper = torch.minimum(lower + 1, length[there, None] - 1)
    share = (place - lower).to(pos.dtype)[..., None, None]
    low, high = (value[order[first[:, None] + side]] for side in (lower, upper))
    whole[there] = low + share * (high - low)
    whole = whole.view(b, num_persons, num_frames, v, -1)
    shape, middle, exists = whole.split([d, d, 1], dim=-1)
    return shape + (middle - middle[:, :1]) * (exists > 0)


def nearest_neighbour_pose(train: Any, test: Any, **kwargs: Any) -> Tensor:
    """Predict the class of the training recording with the most similar raw poses.

    Similarity is the cosine between :func:`resampled_poses`, flattened.

    Args:
        train: Training recordings (see :func:`as_batch`).
        test: Test recordings.
        **kwargs: Arguments of :func:`resampled_poses`.

    Returns:
        Predicted classes, int64 [B].
    """
    train, test = as_batch(train), as_batch(test)
    posed = train.poses_per_recording > 0
    known, asked = (
        torch.nn.functional.normalize(resampled_poses(data, **kwargs).flatten(1), dim=1)
        for data in (train, test)
    )
    predicted = train.y[posed][(asked @ known[posed].T).argmax(dim=1)]
    return torch.where(test.poses_per_recording > 0, predicted, torch.full_like(predicted, NO_POSE))
