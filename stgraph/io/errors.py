"""The error of a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

__all__ = ["RecordingError"]


class RecordingError(ValueError):
    """A recording that cannot be read, with its file, the place in it and a remedy.

    Args:
        file: Path of the file, or the name that the caller gave to some bytes.
        problem: What was expected and what came.
        place: Line, key, frame or member; empty if the whole file is meant.
        remedy: What the reader of the message can do.
    """

    def __init__(
        self,
        file: str | Path,
        problem: str,
        *,
        place: str = "",
        remedy: str = "fetch the file again, or skip it with skip_bad=True",
    ) -> None:
        self.file = str(file)
        self.problem = problem
        self.place = place
        self.remedy = remedy
        where = f", {place}" if place else ""
        super().__init__(f"cannot read {self.file!r}{where}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.file, self.problem, self.place, self.remedy))


def _rebuild(file: str, problem: str, place: str, remedy: str) -> RecordingError:
    return RecordingError(file, problem, place=place, remedy=remedy)
