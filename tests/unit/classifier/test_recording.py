"""Recordings: what is written is read back, and every damaged row is named with its line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bodies import recording, walk, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.recording import Recording, RecordingError, read_folder, read_recording, write_recording

ROW = ",".join(["0.5"] * 132)


def rows(*numbers) -> list[str]:
    return [f"{number},{ROW}" for number in numbers]


# --- round trip -----------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    frames=st.sets(st.integers(-5, 10**7), min_size=1, max_size=8),
    rate=st.floats(0.5, 240),
    size=st.tuples(st.integers(1, 8000), st.integers(1, 8000)),
    words=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=12)] * 3),
    seed=st.integers(0, 999),
)
def test_what_is_written_is_read(tmp_path_factory, frames, rate, size, words, seed):
    numbers = np.array(sorted(frames), np.int64)
    source, track, group = words
    written = Recording(
        label="walking",
        frames=numbers,
        landmarks=np.random.default_rng(seed).normal(0.5, 2, (len(numbers), 33, 4)).astype(np.float32),
        rate=rate,
        width=size[0],
        height=size[1],
        source=source,
        track=track,
        group=group,
        labelled_from=int(numbers[0]) - 3,
    )
    path = tmp_path_factory.mktemp("take") / "deeper" / "WALKING.txt"
    write_recording(path, written)
    read = read_recording(path)
    np.testing.assert_array_equal(read.frames, written.frames)
    # Five digits: a hundredth of a px in a Full HD image.
    np.testing.assert_allclose(read.landmarks, written.landmarks, rtol=5.1e-5)
    for name in ("label", "rate", "width", "height", "source", "track", "group", "labelled_from"):
        assert getattr(read, name) == getattr(written, name), name
    assert read.path == path


def test_pixels_and_times():
    take = recording(walk(np.arange(3) / 30), "walking", rate=25.0)
    np.testing.assert_allclose(take.pixels, walk(np.arange(3) / 30), rtol=1e-5)
    np.testing.assert_allclose(take.times, [0.0, 0.04, 0.08])


def test_a_recording_without_a_side_file_takes_its_label_from_the_name(tmp_path):
    path = write_rows(tmp_path / "JUMPING JACKS.txt", rows(3, 4))
    read = read_recording(path, rate=12.5)
    assert (read.label, read.rate, read.width, read.height) == ("jumping_jacks", 12.5, 640, 480)
    assert (read.labelled_from, read.group, read.frames.tolist()) == (3, "", [3, 4])


def test_the_side_file_comes_before_the_given_rate(tmp_path):
    path = write_rows(tmp_path / "A.txt", rows(0, 1))
    path.with_suffix(".json").write_text('{"rate": 5, "label": "Falling Down"}')
    read = read_recording(path, rate=30)
    assert (read.rate, read.label) == (5.0, "falling_down")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),  # Windows
        lambda text: "\ufeff" + text,  # a spreadsheet's byte order mark
        lambda text: text + "\n\n",  # blank lines at the end
        lambda text: text.replace("0.5", " 0.5 "),
    ],
)
def test_other_programs_write_the_same_text_a_little_differently(tmp_path, change):
    path = write_rows(tmp_path / "A.txt", rows(0, 1, 2))
    path.write_text(change(path.read_text()), encoding="utf-8", newline="")
    assert read_recording(path).frames.tolist() == [0, 1, 2]
    assert len(read_folder(tmp_path)) == 1


@pytest.mark.parametrize(
    ("landmarks", "frames"),
    [
        (np.zeros((2, 33, 4)), [0]),
        (np.zeros((2, 33, 3)), [0, 1]),
        (np.zeros((0, 33, 4)), []),
        (np.full((1, 33, 4), np.nan), [0]),  # could not be read again
        (np.zeros((2, 33, 4)), [1, 1]),
        (np.zeros((2, 33, 4)), [1, 0]),
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path, landmarks, frames):
    take = Recording("a", np.array(frames, np.int64), landmarks.astype(np.float32))
    with pytest.raises(ValueError, match="landmarks"):
        write_recording(tmp_path / "A.txt", take)
    assert list(tmp_path.iterdir()) == []


# --- damage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("1," + ",".join(["0.5"] * 131), "131 values instead of 132"),  # cut off by a full disk
        ("1," + ",".join(["0.5"] * 133), "133 values instead of 132"),
        ("x," + ROW, "not a number"),
        ("1," + ROW[:-3] + "oops", "not a number"),
        ("1," + ROW[:-3], "not a number"),  # an empty last cell
        ("1," + ROW[:-3] + "nan", "not finite"),
        ("1," + ROW[:-3] + "-inf", "not finite"),
        ("1," + ROW[:-3] + "1e300", "not finite"),  # not as float32
        ("1.5," + ROW, "no whole number"),
        ("0," + ROW, "comes after frame 0"),
        ("-1," + ROW, "comes after frame 0"),
        ("1 " + ROW.replace(",", " "), "0 values instead of 132"),
    ],
)
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_damaged_row_is_named_by_its_line(tmp_path, bad, what, place):
    """The header is line 1, so the row after `place` good ones is line `place` + 2."""
    good = rows(*range(-place + 1, 1))
    path = write_rows(tmp_path / "A.txt", [*good, bad, *rows(7)])
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    assert str(caught.value).startswith(f"{path}:{place + 2}: ")
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@given(st.integers(2, 6), st.integers(0, 132), st.text(max_size=6))
def test_any_damage_is_named_or_harmless(tmp_path_factory, line, cell, garbage):
    """One cell of one row becomes anything: the row is named, or the text was a number after all."""
    table = rows(*range(5))
    cells = table[line - 2].split(",")
    cells[cell] = garbage
    table[line - 2] = ",".join(cells)
    path = write_rows(tmp_path_factory.mktemp("take") / "A.txt", table)
    try:
        assert len(read_recording(path).frames) == 5
    except RecordingError as error:
        named = int(str(error).removeprefix(f"{path}:").split(":")[0])
        # A frame number that jumps ahead is only noticed at the next row.
        assert named in ((line, line + 1) if cell == 0 else (line,)) or not garbage.isprintable()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", ":1: no recording"),
        ("a,b,c\n1,2,3\n", ":1: no recording"),
        ("0," + ROW, ":1: no recording"),  # the header is missing
    ],
)
def test_another_text_is_no_recording(tmp_path, text, what):
    path = tmp_path / "A.txt"
    path.write_text(text)
    with pytest.raises(RecordingError, match=what):
        read_recording(path)


def test_a_header_alone_holds_no_frames(tmp_path):
    with pytest.raises(RecordingError, match="no frames"):
        read_recording(write_rows(tmp_path / "A.txt", []))


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path):
    path = tmp_path / "A.txt"
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(path)
    path.write_bytes(b"\xff\xfe\x00\x81" * 50)
    with pytest.raises(RecordingError, match="cannot be read as text"):
        read_recording(path)


def test_a_name_without_a_letter_is_no_label(tmp_path):
    with pytest.raises(RecordingError, match=r"LABEL\.txt"):
        read_recording(write_rows(tmp_path / "!!.txt", rows(0)))


@pytest.mark.parametrize(
    ("side", "what"),
    [
        ("{", "JSON"),
        ("[30]", "must be an object"),
        ('{"rate": 0}', "rate must be a number above 0"),
        ('{"rate": "30"}', "rate must be a number"),
        ('{"rate": true}', "rate must be a number"),
        ('{"rate": NaN}', "rate must be a number"),
        ('{"width": -1}', "width must be a number above 0"),
        ('{"height": null}', "height must be a number"),
        ('{"labelled_from": "start"}', "labelled_from must be a number, not"),
    ],
)
def test_a_damaged_side_file_is_named(tmp_path, side, what):
    path = write_rows(tmp_path / "A.txt", rows(0))
    path.with_suffix(".json").write_text(side)
    with pytest.raises(RecordingError, match=what) as caught:
        read_recording(path)
    assert str(path.with_suffix(".json")) in str(caught.value)


# --- folders --------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_order_with_its_folders_as_groups(tmp_path):
    for name in ("ann/WALKING", "ann/SITTING", "bob/take 1/WALKING", "WAVING"):
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, rows(0, 1))
    (tmp_path / "ann" / "WALKING.json").write_text(json.dumps({"group": "studio"}))
    (tmp_path / "LICENSE.txt").write_text("No recording, and none of our business.\n")
    found = [(one.label, one.group) for one in read_folder(tmp_path)]
    assert found == [
        ("waving", "."),
        ("sitting", "ann"),
        ("walking", "studio"),
        ("walking", "bob/take 1"),
    ]


def test_a_folder_must_hold_recordings(tmp_path):
    with pytest.raises(RecordingError, match="no such folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="holds no recordings"):
        read_folder(tmp_path)


def test_one_damaged_recording_of_a_folder_is_an_error(tmp_path):
    write_rows(tmp_path / "A.txt", rows(0))
    write_rows(tmp_path / "B.txt", ["0,1"])
    with pytest.raises(RecordingError, match=r"B\.txt:2"):
        read_folder(tmp_path)


def test_public_recordings_are_read(shared_data):
    recordings = read_folder(shared_data / "landmarks")
    assert {"walking", "running", "sitting", "standing"} <= {one.label for one in recordings}
    assert len({one.group for one in recordings}) >= 5
    for one in recordings:
        assert (np.diff(one.frames) == 1).all()
        assert 0 <= one.landmarks[..., 3].min() <= one.landmarks[..., 3].max() <= 1.001
