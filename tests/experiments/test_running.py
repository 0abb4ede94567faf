"""Scripts check what they are asked for before they work, and end with one line."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

import _running
import kth_final
import kth_partitions
import pytest

from stgraph.io import RecordingError


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (_running.positive_int, ["1", "12"], ["0", "-3"]),
        (_running.positive, ["0.1", "3"], ["0", "-1", "nan"]),
        (_running.share, ["0", "0.99"], ["1", "-0.1", "nan"]),
    ],
)
def test_numbers_out_of_range_are_refused(parse, good, bad) -> None:
    assert [parse(text) for text in good] == [float(text) for text in good]
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f"got {text}"):
            parse(text)


def test_a_place_that_takes_no_results_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(SystemExit, match=r"error: --out .*file.* is a file, not a folder"):
            _running.results_folder(tmp_path / place)
    (tmp_path / "table.csv").write_text("a,b\n")
    with pytest.raises(SystemExit, match=r"table\.csv.*\(got a, b\); name another"):
        _running.results_folder(tmp_path)
    assert _running.results_folder(tmp_path / "new" / "one") == tmp_path / "new" / "one"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("script", [kth_partitions, kth_final])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "bogus"], "unknown split 'bogus' of kth"),
        (["--dataset", "nw_ucla"], "nw_ucla has no stand-in"),
    ],
)
def test_a_choice_that_there_is_not_ends_in_a_line(script, arguments, message, tmp_path) -> None:
    with pytest.raises(SystemExit, match=f"error: {message}"):
        script.main([*arguments, "--out", str(tmp_path)])


def test_errors_and_interrupts_end_in_one_line() -> None:
    def bad() -> None:
        raise RecordingError("clip.json", "it is empty", remedy="skip it with skip_bad=True")

    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match=r"error: .*clip\.json.*skip it with --skip-bad$"):
        _running.run(bad)
    with pytest.raises(SystemExit, match="the same command goes on from here"):
        _running.run(stopped)


def test_a_terminated_script_ends_like_an_interrupted_one() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match="the same command goes on from here"):
            _running.run(lambda: signal.raise_signal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)
