"""Bytes of strangers to numbers: sizes are checked before memory is taken, nothing is executed."""

from __future__ import annotations

import ast
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stgraph.io.errors import RecordingError

__all__ = ["finite", "number_table", "parse_json", "parse_mat", "parse_npy", "parse_npz"]

_MAX_UNPACKED = 512 * 2**20


def parse_json(content: bytes, name: str) -> Any:
    """The value of a JSON document.

    Raises:
        RecordingError: if it is not JSON, with line and column.
    """
    try:
        return json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RecordingError(name, f"expected JSON ({error.msg})", place=place) from None
    except UnicodeDecodeError as error:
        raise RecordingError(name, "expected UTF-8 text", place=f"byte {error.start}") from None
    except (RecursionError, ValueError) as error:
        raise RecordingError(name, f"expected JSON ({error})") from None


def number_table(value: Any, name: str, place: str) -> NDArray[np.float64]:
    """Nested lists of numbers as a float64 array.

    Raises:
        RecordingError: if the lists are ragged or hold anything but numbers.
    """
    try:
        table = np.asarray(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise RecordingError(name, f"expected a regular table ({error})", place=place) from None
    if table.size and table.dtype.kind not in "iuf":
        raise RecordingError(name, f"expected numbers (got {table.dtype})", place=place)
    return table.astype(np.float64)


def finite(
    table: NDArray[Any], name: str, what: str = "frame", first: int = 0
) -> NDArray[np.float32]:
    """The table as float32, once every entry of it is known to be a finite number.

    Args:
        table: Array whose first axis is time.
        name: File, for the message.
        what: What the first axis counts, for the message.
        first: Number of its first entry, for the message.

    Raises:
        RecordingError: with the first place that holds NaN, infinity or more than float32 can.
    """
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(table, dtype=np.float32)
    good = np.isfinite(out)
    if not good.all():
        place = [int(i) for i in np.argwhere(~good)[0]]
        rest = f", entry {tuple(place[1:])}" if len(place) > 1 else ""
        raise RecordingError(
            name,
            f"expected finite numbers (got {table[tuple(place)]!r})",
            place=f"{what} {place[0] + first}{rest}",
        )
    return out


def text_table(
    content: bytes, name: str, columns: int, delimiter: str | None = None
) -> NDArray[np.float64]:
    """Lines of `columns` numbers as a float64 array [lines, columns].

    Raises:
        RecordingError: with the first line that has another count or holds anything but numbers.
    """
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise RecordingError(name, "expected plain text", place=f"byte {error.start}") from None
    rows = [line.split(delimiter) for line in text.splitlines()]
    last = len(rows)
    while last and not "".join(rows[last - 1]).strip():
        last -= 1
    if not last:
        raise RecordingError(name, "the file holds no numbers")
    for number, row in enumerate(rows[:last], start=1):
        if len(row) != columns:
            problem = f"expected {columns} numbers (got {len(row)})"
            raise RecordingError(name, problem, place=f"line {number}")
    try:
        return np.array(rows[:last], dtype=np.float64)
    except ValueError:
        for number, row in enumerate(rows[:last], start=1):
            for token in row:
                try:
                    float(token)
                except ValueError:
                    problem = f"expected a number (got {token[:40]!r})"
                    raise RecordingError(name, problem, place=f"line {number}") from None
        raise RecordingError(name, "expected numbers only") from None


def parse_npy(content: bytes, name: str, place: str = "") -> NDArray[Any]:
    """The array of a `.npy` file; pickled objects are refused, never executed.

    Raises:
        RecordingError: if the header is no header, promises objects, or promises another number of
            bytes than there are.
    """
    try:
        if content[:6] != b"\x93NUMPY":
            raise ValueError("no NUMPY signature")
        major = content[6]
        width, form = (2, "<H") if major == 1 else (4, "<I")
        (length,) = struct.unpack(form, content[8 : 8 + width])
        if length > 65536:
            raise ValueError("header too long")
        start = 8 + width + length
        header = ast.literal_eval(content[8 + width : start].decode("latin-1").strip())
        dtype = np.dtype(header["descr"])
        shape = tuple(int(n) for n in header["shape"])
        order = "F" if header["fortran_order"] else "C"
    except Exception as error:
        raise RecordingError(name, f"expected a numpy array ({error})", place=place) from None
    if dtype.hasobject:
        raise RecordingError(
            name,
            "expected numbers (got pickled Python objects, which are refused as they can run code)",
            place=place,
            remedy="save the array again with a numeric dtype",
        )
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(content) - start:
        raise RecordingError(
            name,
            f"expected {count * dtype.itemsize:,} bytes for {dtype} {shape} "
            f"(got {max(len(content) - start, 0):,})",
            place=place,
        )
    if not count:
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype, count, start).reshape(shape, order=order)  # type: ignore[call-overload]


def parse_npz(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of a `.npz` file by their names; pickled objects are refused.

    Raises:
        RecordingError: if it is no archive, is truncated, unpacks to too much, or an array of it
            is bad.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if total > _MAX_UNPACKED:
                raise RecordingError(name, f"unpacks to {total:,} bytes, more than is sensible")
            for info in infos:
                key = info.filename.removesuffix(".npy")
                arrays[key] = parse_npy(archive.read(info), name, f"array {key!r}")
    except RecordingError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds on damaged input
        raise RecordingError(
            name, f"expected a numpy archive ({type(error).__name__}: {error})"
        ) from None
    return arrays


def parse_mat(content: bytes, name: str) -> Mapping[str, Any]:
    """The variables of a MATLAB v5 file, numbers as they were in MATLAB (float64, not uint8).

    Raises:
        RecordingError: if scipy cannot read it, or its compressed elements unpack to too much.
    """
    from scipy.io import loadmat

    _refuse_mat_bombs(content, name)
    try:
        # integer-valued doubles are stored compressed; without mat_dtype they come as uint8
        variables = loadmat(io.BytesIO(content), mat_dtype=True)
    except Exception as error:  # scipy raises a dozen kinds on damaged input
        raise RecordingError(
            name, f"expected a MATLAB v5 file ({type(error).__name__}: {error})"
        ) from None
    return {key: value for key, value in variables.items() if not key.startswith("__")}


def _refuse_mat_bombs(content: bytes, name: str) -> None:
    if len(content) < 128 or content[126:128] not in (b"IM", b"MI"):
        raise RecordingError(name, "expected a MATLAB v5 file (the header is another)")
    order = "<" if content[126:128] == b"IM" else ">"
    position, unpacked = 128, 0
    while position + 8 <= len(content):
        kind, size = struct.unpack(f"{order}II", content[position : position + 8])
        position += 8
        if position + size > len(content):
            raise RecordingError(name, "the file is truncated", place=f"byte {position}")
        if kind == 15:
            inflater = zlib.decompressobj()
            try:
                piece = inflater.decompress(content[position : position + size], 64 * 2**20)
            except zlib.error as error:
                place = f"byte {position}"
                raise RecordingError(name, f"corrupt element ({error})", place=place) from None
            unpacked += len(piece)
            if inflater.unconsumed_tail or unpacked > 128 * 2**20:
                raise RecordingError(name, "unpacks to more than is sensible")
        position += size
