"""Files of a data set, from a folder or straight from its tar archive."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import tarfile
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar, cast

from stgraph.io.errors import RecordingError

__all__ = ["MAX_FILE_BYTES", "fingerprint", "iter_files", "read_all", "read_bytes"]

#: Largest single file that a reader loads into memory.
MAX_FILE_BYTES = 256 * 2**20
#: Largest archive, unpacked, that a reader walks through.
MAX_ARCHIVE_BYTES = 64 * 2**30

T = TypeVar("T")


def read_bytes(
    source: str | os.PathLike[str] | bytes,
    name: str | None = None,
    max_bytes: int = MAX_FILE_BYTES,
) -> tuple[bytes, str]:
    """Contents and name of a file, or of bytes that are at hand already.

    Raises:
        RecordingError: if the file is missing, is no file, is empty or is larger than `max_bytes`.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        content, name = bytes(source), name or "<bytes>"
    else:
        path = Path(source)
        name = name or str(path)
        try:
            size = path.stat().st_size
            if path.is_file() and size <= max_bytes:
                content = path.read_bytes()
            elif path.is_file():
                raise RecordingError(
                    name, f"expected at most {max_bytes:,} bytes (got {size:,})", remedy=_CHECK
                )
            else:
                raise RecordingError(name, "expected a file (got a folder)", remedy=_CHECK)
        except FileNotFoundError:
            raise RecordingError(name, "there is no such file", remedy=_CHECK) from None
        except OSError as error:
            raise RecordingError(name, f"the system says {error.strerror!r}") from None
    if not content:
        raise RecordingError(name, "the file is empty")
    return content, name


def iter_files(
    path: str | os.PathLike[str],
    pattern: str = "",
    max_bytes: int = MAX_FILE_BYTES,
) -> Iterable[tuple[str, bytes]]:
    r"""Walks through the files of a folder, or of a tar archive without unpacking it.

    Nothing is ever written: members of an archive are read into memory one by one, so a name such
    as ``../../x`` leads nowhere; links and devices in an archive are passed over.

    Args:
        path: A folder, a (compressed) tar archive, or one single file.
        pattern: Regular expression to search in the relative name (``a/b/c.json``).
        max_bytes: Files beyond this size raise instead of filling the memory.

    Returns:
        Pairs of relative name and contents; a folder in the order of the names, an archive in
        its own order.

    Raises:
        RecordingError: if the path does not exist, the archive is corrupt or truncated, or a file
            is too large or may not be read. :func:`read_all` can skip such a file of a folder.
    """
    path = Path(path)
    wanted = re.compile(pattern)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        named = [(file.relative_to(path).as_posix(), file) for file in files]
        return _Files([pair for pair in named if wanted.search(pair[0])], max_bytes)
    if not path.exists():
        raise RecordingError(path, "there is no such file or folder", remedy=_CHECK)
    if ".tar" in path.suffixes or path.suffix in (".tgz", ".txz"):
        return _iter_archive(path, wanted, max_bytes)
    return _Files([(path.name, path)], max_bytes)


_CHECK = "check the path"


class _Files:
    """Files by name, each read when its turn comes; one that cannot be is no end of the others."""

    def __init__(self, named: Sequence[tuple[str, Path]], max_bytes: int) -> None:
        self._named, self._max_bytes = named, max_bytes

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        for name, file in self._named:
            yield name, _raw(file, self._max_bytes)

    def readable(self, bad: list[str]) -> Iterator[tuple[str, bytes]]:
        """Those that can be read; messages about the others go into the list."""
        for name, file in self._named:
            try:
                content = _raw(file, self._max_bytes)
            except RecordingError as error:
                bad.append(str(error))
            else:
                yield name, content


def _raw(file: Path, max_bytes: int) -> bytes:
    try:
        size = file.stat().st_size
        if size <= max_bytes:
            return file.read_bytes()
    except OSError as error:
        raise RecordingError(file, f"the system says {error.strerror!r}") from None
    raise RecordingError(
        file, f"expected at most {max_bytes:,} bytes (got {size:,})", remedy=_CHECK
    )


class _Bounded:
    """A file that refuses to give more than so many bytes: the brake for compressed bombs."""

    def __init__(self, raw: IO[bytes], limit: int, name: Path) -> None:
        self._raw, self._left, self._name = raw, limit, name

    def read(self, size: int) -> bytes:
        piece = self._raw.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise RecordingError(
                self._name, "the archive unpacks to more than is sensible", remedy=_CHECK
            )
        return piece


def _iter_archive(
    path: Path, wanted: re.Pattern[str], max_bytes: int
) -> Iterator[tuple[str, bytes]]:
    last = "the start"
    try:
        with _decompressed(path) as raw:
            bounded = cast(Any, _Bounded(raw, MAX_ARCHIVE_BYTES, path))
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in archive:
                    name = str(PurePosixPath(member.name))
                    if not member.isreg() or not wanted.search(name):
                        continue
                    if member.size > max_bytes:
                        raise RecordingError(
                            path,
                            f"expected at most {max_bytes:,} bytes (got {member.size:,})",
                            place=f"member {name!r}",
                            remedy=_CHECK,
                        )
                    file = archive.extractfile(member)
                    content = file.read() if file is not None else b""
                    if len(content) != member.size:
                        raise EOFError("unexpected end of data")
                    yield name, content
                    last = f"after member {name!r}"
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise RecordingError(
            path,
            f"the archive is corrupt or truncated ({error})",
            place=last,
            remedy="fetch the archive again",
        ) from None


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\xfd7zXZ\x00"):
        return cast(IO[bytes], lzma.open(path, "rb"))
    if start.startswith(b"\x1f\x8b"):
        import gzip

        return cast(IO[bytes], gzip.open(path, "rb"))
    if start.startswith(b"BZh"):
        import bz2

        return cast(IO[bytes], bz2.open(path, "rb"))
    return path.open("rb")


def read_all(
    files: Iterable[tuple[str, bytes]],
    reader: Callable[[bytes, str], T],
    *,
    skip_bad: bool = False,
) -> tuple[list[T], list[str]]:
    """Reads many files with one reader.

    Args:
        files: Pairs of name and contents, for instance from :func:`iter_files`.
        reader: Called with contents and name.
        skip_bad: Whether files that cannot be read are left out, with one warning that lists them.
            An archive that breaks off is no bad file but a bad source, and raises.

    Returns:
        What the reader returned for the good files, and a message for each bad one.

    Raises:
        RecordingError: on the first bad file, unless `skip_bad`.
    """
    good: list[T] = []
    bad: list[str] = []
    if skip_bad and isinstance(files, _Files):
        files = files.readable(bad)
    for name, content in files:
        try:
            if not content:
                raise RecordingError(name, "the file is empty")
            good.append(reader(content, name))
        except RecordingError as error:
            if not skip_bad:
                raise
            bad.append(str(error))
    warn_skipped(bad)
    return good, bad


def warn_skipped(messages: list[str], limit: int = 20) -> None:
    """Warns once about the files that were skipped, naming each (the first `limit`)."""
    if messages:
        more = f"\n  ... and {len(messages) - limit} more" if len(messages) > limit else ""
        lines = "".join(f"\n  {message}" for message in messages[:limit])
        warnings.warn(f"skipped {len(messages)} bad file(s):{lines}{more}", stacklevel=3)


def fingerprint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What changes when a source changes.

    Of a folder these are its name and the relative name, size and time of every file, for names
    carry labels: a renamed file changes it. An archive is one file, whatever its members.

    Raises:
        RecordingError: if there is no such file or folder.
    """
    path = Path(path)
    if not path.exists():
        raise RecordingError(path, "there is no such file or folder", remedy=_CHECK)
    files = _walk(path) if path.is_dir() else [(path.name, path.stat())]
    digest = hashlib.sha256()
    for name, stat in files:
        line = f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return {"name": str(path.resolve()), "files": len(files), "digest": digest.hexdigest()}


def _walk(folder: Path) -> list[tuple[str, os.stat_result]]:
    """Relative name and facts of every file below a folder, in the order of the names."""
    found: list[tuple[str, os.stat_result]] = []
    for parent, _, names in os.walk(folder):
        for file in (Path(parent, name) for name in names):
            if file.is_file():
                found.append((file.relative_to(folder).as_posix(), file.stat()))
    return sorted(found, key=lambda entry: entry[0])
