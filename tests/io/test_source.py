"""Folders and archives are walked without unpacking anything, and bad files are reported."""

from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

import pytest

from stgraph.io import RecordingError, iter_files, read_all
from stgraph.io import source as source_module


def archive(path: Path, members: dict[str, bytes], mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


FILES = {"a/1.txt": b"one", "a/b/2.txt": b"two", "a/3.json": b"{}"}


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        (".tar", "w"),
        (".tar.xz", "w:xz"),
        (".tar.gz", "w:gz"),
        (".tar.bz2", "w:bz2"),
        (".tgz", "w:gz"),
    ],
)
def test_an_archive_is_walked_like_its_folder(tmp_path: Path, suffix: str, mode: str) -> None:
    for name, content in FILES.items():
        file = tmp_path / "folder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    path = archive(tmp_path / f"x{suffix}", FILES, mode)
    before = sorted(tmp_path.rglob("*"))
    for source in (tmp_path / "folder", path):
        assert dict(iter_files(source, r"\.txt$")) == {"a/1.txt": b"one", "a/b/2.txt": b"two"}
    assert list(iter_files(tmp_path / "folder" / "a" / "3.json")) == [("3.json", b"{}")]
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_climb_and_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    path = tmp_path / "x.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        for name, kind in (("l.txt", tarfile.SYMTYPE), ("h.txt", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(tmp_path / "secret.txt")
            tar.addfile(info)
        info = tarfile.TarInfo("../../climb.txt")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"up"))
    assert [content for _, content in iter_files(path)] == [b"up"]
    assert not list(tmp_path.parent.glob("climb.txt"))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_a_truncated_archive_names_where_it_breaks(tmp_path: Path, keep: float) -> None:
    import random

    members = {f"{i}.txt": random.Random(i).randbytes(20_000) for i in range(20)}
    path = archive(tmp_path / "x.tar.xz", members)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(RecordingError, match=r"corrupt or truncated.*fetch the archive again"):
        list(iter_files(path))
    path.write_bytes(content[:5000] + bytes(40) + content[5040:])
    with pytest.raises(RecordingError, match="corrupt or truncated"):
        list(iter_files(path))


def test_a_cut_in_the_tar_itself_is_found(tmp_path: Path) -> None:
    raw = archive(tmp_path / "x.tar", FILES, "w").read_bytes()
    (tmp_path / "y.tar.xz").write_bytes(lzma.compress(raw[:700]))
    with pytest.raises(RecordingError, match="corrupt or truncated"):
        list(iter_files(tmp_path / "y.tar.xz"))
    (tmp_path / "z.tar.xz").write_bytes(b"no archive at all")
    with pytest.raises(RecordingError, match="corrupt or truncated"):
        list(iter_files(tmp_path / "z.tar.xz"))


def test_bombs_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "x.tar.xz", {"big.txt": bytes(2**20)})
    with pytest.raises(RecordingError, match=r"member 'big.txt': expected at most 1,000 bytes"):
        list(iter_files(path, max_bytes=1000))
    monkeypatch.setattr(source_module, "MAX_ARCHIVE_BYTES", 10**5)
    with pytest.raises(RecordingError, match="unpacks to more than is sensible"):
        list(iter_files(path))
    (tmp_path / "big.txt").write_bytes(bytes(2000))
    with pytest.raises(RecordingError, match="expected at most 1,000 bytes"):
        list(iter_files(tmp_path / "big.txt", max_bytes=1000))


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nothing.*there is no such file or folder"):
        list(iter_files(tmp_path / "nothing"))


def upper(content: bytes, name: str) -> str:
    if b"!" in content:
        raise RecordingError(name, "an exclamation mark", place="line 1")
    return content.decode().upper()


def test_a_file_that_may_not_be_read_stops_everything_or_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "2", "3", "big"):
        (tmp_path / name).write_bytes(b"abc" if name != "big" else b"abc" * 99)
    read_bytes = Path.read_bytes

    def refuse(file: Path) -> bytes:
        if file.name == "2":
            raise PermissionError(13, "Permission denied")
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    files = iter_files(tmp_path, max_bytes=100)
    with pytest.raises(RecordingError, match=r"cannot read '.*/2': the system says 'Permission"):
        read_all(files, upper)
    with pytest.warns(UserWarning, match=r"skipped 2 bad file\(s\):\n.*/2'.*denied.*\n.*/big'"):
        good, bad = read_all(files, upper, skip_bad=True)
    assert good == ["ABC", "ABC"]
    assert len(bad) == 2


def test_bad_files_stop_everything_or_are_skipped_and_listed() -> None:
    files = [("1", b"a"), ("2", b"!"), ("3", b"c"), ("4", b"")]
    with pytest.raises(RecordingError, match="cannot read '2', line 1: an exclamation mark"):
        read_all(files, upper)
    with pytest.warns(UserWarning, match=r"skipped 2 bad file\(s\):\n.*'2'.*\n.*'4'.*empty"):
        good, bad = read_all(files, upper, skip_bad=True)
    assert good == ["A", "C"]
    assert len(bad) == 2
    with pytest.raises(KeyError):
        read_all(files, lambda content, name: {}[name], skip_bad=True)
