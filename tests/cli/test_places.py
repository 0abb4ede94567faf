"""Places are tried before the work, and nothing is left there."""

from __future__ import annotations

from pathlib import Path

import pytest

from stgraph.cli.places import check_out_file, check_out_folder


def test_a_place_that_takes_files_passes_and_stays_empty(tmp_path: Path) -> None:
    check_out_file(None)
    check_out_folder(None)
    check_out_file(str(tmp_path / "new" / "a.csv"))
    check_out_folder(str(tmp_path / "new" / "run"))
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for check in (check_out_file, check_out_folder):
        with pytest.raises(ValueError, match=r"expected the name of a .* \(got nothing\)"):
            check("")
        with pytest.raises(ValueError, match="file' is a file, not a folder"):
            check(str(file / "below"))
    with pytest.raises(ValueError, match="is a folder"):
        check_out_file(str(tmp_path))
    with pytest.raises(ValueError, match="file' is a file, not a folder"):
        check_out_folder(str(file))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_place_of_the_system_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--out /proc/x.csv: nothing can be written to '/proc'"):
        check_out_file("/proc/x.csv")
