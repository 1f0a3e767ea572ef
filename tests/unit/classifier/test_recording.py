"""Recordings: what is written is read back, and every damaged row is named with its line."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from bodies import recording, walk, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.recording import (
    Recording,
    RecordingError,
    read_folder,
    read_recording,
    read_recordings,
    usable,
    write_recording,
)
from classifier.recording_rows import segments
from classifier.recording_text import HEADER

ROW = ",".join(["0.5"] * 132)


def rows(*numbers) -> list[str]:
    return [f"{number},{ROW}" for number in numbers]


def any_landmarks(count: int, seed: int = 0) -> np.ndarray:
    """In the picture and far outside, of any visibility."""
    shares = np.random.default_rng(seed).uniform((-9, -9, -9, 0), (9, 9, 9, 1), (count, 33, 4))
    return shares.astype(np.float32)


# --- round trip -----------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    first=st.integers(-5, 10**7),
    steps=st.lists(st.integers(1, 60), max_size=8),
    rate=st.floats(1.0, 240),
    size=st.tuples(st.integers(1, 8000), st.integers(1, 8000)),
    words=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=12)] * 3),
    seed=st.integers(0, 999),
)
def test_what_is_written_is_read(tmp_path_factory, first, steps, rate, size, words, seed):
    numbers = np.cumsum([first, *steps], dtype=np.int64)
    source, track, group = words
    written = Recording(
        label="walking",
        frames=numbers,
        landmarks=any_landmarks(len(numbers), seed),
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


def read_all(path: Path, **more) -> tuple[list[Recording], list[str]]:
    """The takes of a file, and what was told about its rows."""
    told: list[str] = []
    return read_recordings(path, problems=told.append, **more), told


BAD_ROWS = [
    ("{n}," + ",".join(["0.5"] * 131), "131 values instead of 132"),  # cut off by a full disk
    ("{n}," + ",".join(["0.5"] * 133), "133 values instead of 132"),
    ("x," + ROW, "not a number"),
    ("{n}," + ROW[:-3] + "oops", "not a number"),
    ("{n}," + ROW[:-3], "131 values"),  # an empty last cell
    ("{n}," + ROW[:-8] + ",,0.5", "not a number"),  # an empty cell
    ("{n}," + ROW[:-3] + "nan", "not finite"),
    ("{n}," + ROW[:-3] + "-inf", "not finite"),
    ("inf," + ROW, "frame number is not finite"),
    ("{n}," + ROW[:-3] + "1e300", "visibility of 1e+300"),
    ("{n}," + ROW[:-3] + "1.5", "visibility of 1.5"),
    ("{n}," + ROW[:-3] + "-0.5", "visibility of -0.5"),
    ("{n},320" + ROW[3:], "coordinate of 320 image widths"),  # px
    ("{n}.5," + ROW, "no whole number"),
    ("-9," + ROW, "frame -9 comes after frame"),
    ("\0" * 600, "values instead of 132"),  # what a power cut leaves of a file
    ("0.5," * 40000, "line too long"),
]


@pytest.mark.parametrize(("bad", "what"), BAD_ROWS)
@pytest.mark.parametrize("place", [2, 3, 9])
def test_a_damaged_row_is_left_out_and_named_by_its_line(tmp_path, bad, what, place):
    """The header is line 1, so the row after `place` good ones is line `place` + 2."""
    after = range(place + 1, place + 4)
    path = write_rows(
        tmp_path / "A.txt", [*rows(*range(place)), bad.replace("{n}", str(place)), *rows(*after)]
    )
    (take,), told = read_all(path)
    assert take.frames.tolist() == [*range(place), *after]  # a gap in time
    assert len(told) == 1
    assert told[0].startswith(f"{path}:{place + 2}: ")
    assert what in told[0]
    assert "\n" not in told[0]


def test_the_first_few_bad_rows_are_told_and_the_others_counted(tmp_path):
    table = [f"{n},{ROW if n % 3 else ROW + ',1'}" for n in range(30)]
    (take,), told = read_all(write_rows(tmp_path / "A.txt", table))
    assert take.frames.tolist() == [n for n in range(30) if n % 3]
    assert [line.split("A.txt")[1] for line in told] == [
        ":2: 133 values instead of 132: row left out",
        ":5: 133 values instead of 132: row left out",
        ":8: 133 values instead of 132: row left out",
        ": 7 more of its 30 rows left out",
    ]


def test_rows_without_a_pose_are_gaps_and_no_damage(tmp_path):
    zeros = ",".join(["0.0"] * 132)
    table = [f"{n},{ROW if n < 3 else zeros}" for n in range(10)]
    (take,), told = read_all(write_rows(tmp_path / "A.txt", table))
    assert take.frames.tolist() == [0, 1, 2]
    assert told == [f"{tmp_path / 'A.txt'}: 7 of its 10 rows hold only zeros (no pose): left as gaps"]


def test_without_a_listener_bad_rows_are_logged(tmp_path, caplog):
    read_recording(write_rows(tmp_path / "A.txt", [*rows(0, 1), "2,1", *rows(3)]))
    assert [f"{tmp_path / 'A.txt'}:4: 1 values instead of 132: row left out"] == caplog.messages


@settings(max_examples=100)
@given(st.integers(2, 6), st.integers(0, 132), st.text(max_size=6))
def test_any_damage_is_named_or_harmless(tmp_path_factory, line, cell, garbage):
    """One cell of one row becomes anything: the row is named, or the text was a number after all."""
    table = rows(*range(5))
    cells = table[line - 2].split(",")
    cells[cell] = garbage
    table[line - 2] = ",".join(cells)
    path = write_rows(tmp_path_factory.mktemp("take") / "A.txt", table)
    takes, told = read_all(path)
    kept = sum(len(take.frames) for take in takes)
    assert 5 - kept <= len(told) + (len(garbage.splitlines()) > 1)
    assert kept >= 3
    for take in takes:
        assert (np.diff(take.frames) > 0).all()
        assert np.isfinite(take.landmarks).all()


@settings(max_examples=150)
@given(st.binary(max_size=400), st.integers(0, 3000), st.integers(0, 400))
def test_any_bytes_anywhere_end_in_a_take_or_in_one_line(tmp_path_factory, garbage, place, gone):
    """Bytes of a text are replaced by any others."""
    path = write_rows(tmp_path_factory.mktemp("take") / "A.txt", rows(*range(8)))
    data = path.read_bytes()
    path.write_bytes(data[:place] + garbage + data[place + gone :])
    try:
        takes, told = read_all(path)
    except RecordingError as error:
        takes, told = [], [str(error)]
    for take in takes:
        assert usable(take.landmarks).all()
        assert (np.diff(take.frames) > 0).all()
    assert all(line.startswith(str(path)) and "\n" not in line for line in told)


# --- several takes in a file ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "takes", "told"),
    [
        ([0, 1, 2, 0, 1, 2, 3], [[0, 1, 2], [0, 1, 2, 3]], 0),  # put together
        ([0, 1, 2, 3, 0, 9, 18], [[0, 1, 2, 3], [0, 9, 18]], 0),
        ([0, 1, 1, 2], [[0, 1, 2]], 1),  # twice
        ([4, 5, 3, 6], [[4, 5, 6]], 1),  # one stray number
        ([0, 1, 9**9, 2, 3], [[0, 1], [2, 3]], 1),  # one number that leaps ahead
        ([0, 1, 2, 0], [[0, 1, 2]], 1),
        ([0, 1, 2, 100_000, 100_001], [[0, 1, 2], [100_000, 100_001]], 0),  # a pause of an hour
        ([7], [[7]], 0),
    ],
)
def test_numbers_that_start_again_are_another_take(tmp_path, numbers, takes, told):
    found, lines = read_all(write_rows(tmp_path / "A.txt", rows(*numbers)))
    assert [take.frames.tolist() for take in found] == takes
    assert len(lines) == told
    assert [take.labelled_from for take in found] == [take[0] for take in takes]


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=30))
def test_no_take_ever_goes_back_in_time(numbers):
    left_out: list[int] = []
    found = list(segments(numbers, 30.0, lambda place, _: left_out.append(place)))
    kept = [place for _, places in found for place in places]
    assert sorted([*kept, *left_out]) == list(range(len(numbers)))
    assert kept == sorted(kept)
    for _, places in found:
        assert (np.diff([numbers[place] for place in places]) > 0).all()


def test_a_take_that_was_put_under_another_with_its_header_is_one_of_its_own(tmp_path):
    path = write_rows(tmp_path / "A.txt", rows(0, 1, 2))
    path.write_text(path.read_text() * 2)
    found, told = read_all(path)
    assert ([take.frames.tolist() for take in found], told) == ([[0, 1, 2], [0, 1, 2]], [])
    with pytest.raises(RecordingError, match="holds 2 takes"):
        read_recording(path)


# --- as others write it ---------------------------------------------------------------------------------

NAMES = [f"{axis}{n}" for n in range(33) for axis in "xyzv"]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(rows(0, 1, 2)),  # no header
        "\n".join([ROW] * 3),  # neither header nor index
        "\n".join([",".join(str(n) for n in range(132)), *[ROW] * 3]),  # to_csv(index=False)
        "\n".join([",".join(NAMES), *[ROW] * 3]),
        "\n".join(["frame," + ",".join(NAMES), *rows(0, 1, 2)]),
        "\n".join(["," + ",".join(f'"{n}"' for n in range(132)), *rows(0, 1, 2)]),
        "\n".join(["# landmarks of a webcam", *[ROW.replace(",", " ")] * 3]),  # numpy.savetxt
        "\n".join([ROW.replace(",", "\t")] * 3),
        "\n".join([ROW.replace(",", ";").replace(".", ",")] * 3),  # a European spreadsheet
        "\n".join(row + "," for row in rows(0, 1, 2)),  # a comma after every value
        "\n".join(["," + ",".join(str(n) for n in range(132)), *(f"{n}.0,{ROW}" for n in range(3))]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_strangers_texts_load_as_they_are(tmp_path, text, encoding, end):
    path = tmp_path / "JUMPING JACKS.TXT"
    path.write_bytes((text + "\n\n").replace("\n", end).encode(encoding))
    (take,), told = read_all(path)
    assert (take.label, take.frames.tolist(), told) == ("jumping_jacks", [0, 1, 2], [])
    np.testing.assert_array_equal(take.landmarks, np.full((3, 33, 4), 0.5, np.float32))
    assert len(read_folder(tmp_path)) == 1


def test_a_last_line_that_was_cut_off_costs_that_line_only(tmp_path):
    path = write_rows(tmp_path / "A.txt", rows(*range(9)))
    path.write_text(path.read_text()[:-300])
    (take,), told = read_all(path)
    assert take.frames.tolist() == list(range(8))
    assert ":10: " in told[0]


def test_a_line_without_an_end_takes_no_memory(tmp_path):
    path = write_rows(tmp_path / "A.txt", rows(*range(9)))
    with path.open("a") as stream:
        for _ in range(300):
            stream.write("0.5," * 25_000)
    tracemalloc.start()
    try:
        (take,), told = read_all(path)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()
    assert len(take.frames) == 9
    assert "line too long" in told[0]


# --- what is no recording -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b,c\n1,2,3\n", "3 values a row instead of 132"),
        ("\n".join(["0," + ",".join(["0.5"] * 99)] * 5), "100 values a row instead of 132"),  # x, y, z only
        ("\n".join([*rows(0, 1), "2,1", "3,1", "4,1"]), "3 of its 5 rows are damaged"),
        ("\n".join([f"{n}," + ",".join(["320"] * 132) for n in range(5)]), "5 of its 5 rows are damaged"),
        ("\n".join([",".join(["0.0"] * 132)] * 4), "holds no frames"),
        (HEADER, "holds no frames"),
    ],
)
def test_another_text_is_no_recording(tmp_path, text, what):
    path = tmp_path / "A.txt"
    path.write_text(text)
    with pytest.raises(RecordingError, match=what) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path))


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path):
    path = tmp_path / "A.txt"
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(path)
    path.write_bytes(b"\xff\xfe\x00\x81" * 50)
    with pytest.raises(RecordingError, match="no recording"):
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
    for number, name in enumerate(("ann/WALKING", "ann/SITTING", "bob/take 1/WALKING", "WAVING")):
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, rows(0, 1))
        path.write_text(path.read_text().replace("0.5", f"0.{number + 1}"))
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


def test_a_recording_that_is_mostly_damaged_is_an_error_that_names_it(tmp_path):
    write_rows(tmp_path / "A.txt", rows(0))
    write_rows(tmp_path / "B.txt", ["0,1"])
    with pytest.raises(RecordingError, match=r"B\.txt: 1 of its 1 rows are damaged"):
        read_folder(tmp_path, problems=lambda _: None)


def test_an_empty_text_is_told_and_another_text_is_not(tmp_path):
    write_rows(tmp_path / "A.txt", rows(0))
    (tmp_path / "B.txt").write_text("")
    (tmp_path / "README.txt").write_text("of last week")
    told: list[str] = []
    assert len(read_folder(tmp_path, problems=told.append)) == 1
    assert told == [f"{tmp_path / 'B.txt'}: is empty: left out"]


def test_takes_that_are_copies_make_their_groups_one(tmp_path):
    for name in ("ann/WALKING", "bob/WALKING", "bob/SIT", "cleo/SIT", "dan/JUMP"):
        write_recording(
            tmp_path / f"{name}.txt",
            recording(walk(np.arange(5) / 30, height=100 + 10 * len(name.split("/")[1])), "x"),
        )
    told: list[str] = []
    groups = [one.group for one in read_folder(tmp_path, problems=told.append)]
    assert groups == ["ann", "ann", "ann", "ann", "dan"]
    assert [line.removeprefix(f"{tmp_path}/") for line in told] == [
        f"bob/WALKING.txt: the same take as {tmp_path}/ann/WALKING.txt: bob and ann count as one group",
        f"cleo/SIT.txt: the same take as {tmp_path}/bob/SIT.txt: cleo and bob count as one group",
    ]


def test_public_recordings_are_read(shared_data):
    told: list[str] = []
    recordings = read_folder(shared_data / "landmarks", problems=told.append)
    texts = [one for one in recordings if one.path.suffix == ".txt"]
    assert len(texts) == len(list((shared_data / "landmarks").glob("*/*.txt")))
    assert {"walking", "running", "sitting", "standing"} <= {one.label for one in texts}
    assert len({one.group for one in recordings}) >= 5
    for one in texts:
        assert (np.diff(one.frames) == 1).all()
        assert 0 <= one.landmarks[..., 3].min() <= one.landmarks[..., 3].max() <= 1.001
    # No row of theirs is damaged; some takes are copies.
    assert all("the same take as" in line or "only zeros" in line for line in told)
