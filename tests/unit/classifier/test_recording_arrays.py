"""Sequences in .npz files: what strangers save is read, and what would run is refused unrun."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.recording import RecordingError, read_folder, read_recordings
from classifier.safe_arrays import read_arrays


def poses(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.9, (count, 132))


def ragged(*arrays) -> np.ndarray:
    result = np.empty(len(arrays), object)
    for place, array in enumerate(arrays):
        result[place] = array
    return result


def read(path, **more):
    told: list[str] = []
    return read_recordings(path, problems=told.append, **more), told


# --- what others save -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        ragged(poses(5), poses(7, 1)),
        ragged(poses(5).astype(np.float32), poses(7, 1)),
        ragged(poses(5).tolist(), poses(7, 1).tolist()),
        ragged(poses(5).reshape(5, 33, 4), poses(7, 1).reshape(7, 33, 4)),
        ragged(poses(5).astype(">f4"), np.asfortranarray(poses(7, 1))),
    ],
)
@pytest.mark.parametrize("y", [["Kicking", "Jumping Jacks"], np.array(["Kicking", "Jumping Jacks"], object)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_sequences_of_different_lengths(tmp_path, X, y, save):
    path = tmp_path / "gym.npz"
    save(path, X=X, y=y)
    takes, told = read(path, rate=20)
    assert [(one.label, len(one.frames), one.track, one.group, one.rate) for one in takes] == [
        ("kicking", 5, "0", "gym", 20.0),
        ("jumping_jacks", 7, "1", "gym", 20.0),
    ]
    assert told == []
    expected = poses(5).astype(np.float32).reshape(5, 33, 4)
    np.testing.assert_array_equal(takes[0].landmarks, expected)


def test_one_array_padded_with_zeros_and_numbers_as_labels(tmp_path):
    X = np.stack([poses(6), poses(6, 1)])
    X[0, 4:] = 0
    X[1, 2] = 0
    np.savez(tmp_path / "a.npz", X=X, y=np.array([0, 1]), subject=["ann", "bob"])
    takes, told = read(tmp_path / "a.npz")
    assert [(one.label, one.frames.tolist(), one.group) for one in takes] == [
        ("0", [0, 1, 2, 3], "ann"),
        ("1", [0, 1, 3, 4, 5], "bob"),
    ]
    assert told == [f"{tmp_path / 'a.npz'}: 3 of its 12 rows hold only zeros (no pose): left as gaps"]


def test_bad_rows_are_left_out_and_named(tmp_path):
    X = np.stack([poses(6), poses(6, 1)])
    X[1, 2, 7] = np.nan
    X[1, 3, 0] = 640
    np.savez(tmp_path / "a.npz", X=X, y=["a", "b"])
    takes, told = read(tmp_path / "a.npz")
    assert [one.frames.tolist() for one in takes] == [[0, 1, 2, 3, 4, 5], [0, 1, 4, 5]]
    assert [line.removeprefix(f"{tmp_path / 'a.npz'}: ") for line in told] == [
        "sequence 1, row 2: a value is not finite: row left out",
        "sequence 1, row 3: a coordinate of 640 image widths "
        "(x, y and z must be shares of the image, not px): row left out",
    ]


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"a": np.zeros(3)}, "holds a: needs X"),
        ({}, "holds nothing: needs X"),
        ({"X": np.zeros((2, 5, 132))}, "needs X"),
        ({"X": np.zeros((2, 5, 132)), "y": ["a"]}, "one label a sequence"),
        ({"X": np.zeros(()), "y": ["a"]}, "one label a sequence"),
        ({"X": np.zeros((1, 5, 99)), "y": ["a"]}, "sequence 0 is .* not rows of 132"),
        ({"X": np.full((1, 5, 132), 640.0), "y": ["a"]}, "5 of its 5 rows are damaged"),
        ({"X": np.zeros((1, 5, 132)), "y": ["a"]}, "holds no frames"),
        ({"X": poses(3)[None], "y": ["!"]}, "holds no label"),
        ({"X": np.zeros((1, 5, 132), complex), "y": ["a"]}, "only numbers and text"),
        ({"X": ragged("text", None), "y": ["a", "b"]}, "sequence 0 is str"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path, arrays, what):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(RecordingError, match=what) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_public_sequences(shared_data):
    path = shared_data / "landmarks" / "punch_kick_stand_mediapipe.npz"
    takes, _ = read(path)
    with np.load(path, allow_pickle=True) as trusted:
        assert [one.label for one in takes] == [label.lower() for label in trusted["y"]]
        for one, sequence in zip(takes, trusted["X"], strict=True):
            np.testing.assert_array_equal(
                one.landmarks.reshape(-1, 132), sequence[one.frames].astype(np.float32)
            )
            assert not np.delete(sequence, one.frames, axis=0).any()


# --- hostile files --------------------------------------------------------------------------------------


def write_pickled(path, payload: bytes, shape: str = "(1,)") -> None:
    """An .npz whose X is this pickle."""
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    plain = io.BytesIO()
    np.save(plain, np.array(["a"]))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + payload)
        archive.writestr("y.npy", plain.getvalue())


class Runs:
    """A pickle that runs something."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


MARKER = "posewatch_was_here"


@pytest.mark.parametrize(
    "payload",
    [
        Runs(os.system, f"touch {MARKER}"),
        Runs(subprocess.check_output, ["touch", MARKER]),
        Runs(eval, f"open('{MARKER}', 'w')"),
        Runs(__import__, "antigravity"),
        Runs(np.fromfile, "/etc/passwd", np.uint8),
        Runs(np.zeros, 10**12),
        ragged(Runs(os.system, f"touch {MARKER}")),
        ragged(ragged(Runs(os.mkdir, MARKER))),
    ],
)
@pytest.mark.parametrize("protocol", range(6))
def test_a_file_that_would_run_something_is_refused(tmp_path, monkeypatch, payload, protocol):
    monkeypatch.chdir(tmp_path)
    write_pickled(tmp_path / "a.npz", pickle.dumps(payload, protocol))
    with pytest.raises(RecordingError, match=r"a\.npz: holds something else than arrays .*refused") as caught:
        read(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]


_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x04]r\xff\xff\xff\x7f.",  # a place in the memo that would take 32 GB
        b"\x80\x04B\xff\xff\xff\x7f.",  # bytes that are not there
        b"\x80\x05\x96" + (1 << 38).to_bytes(8, "little") + b".",  # the like, which takes them first
        b"\x80\x04\x8a\x7f" + b"\x11" * 0x7F + b".",
        _ARRAY + b"(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR.",  # an array of a TB, without data
        b"\x80\x03cnumpy\ndtype\nX\x0a\x00\x00\x00f100000000\x85R.",
        b"\x80\x03cnumpy\nload\n.",
        b"\x80\x03cnumpy.core.multiarray\nfromfile\n.",
        b"cposix\nsystem\n(S'touch x'\ntR.",
        b"(S'touch x'\niposix\nsystem\n.",  # INST
        b"\x80\x02Ppersistent\n.",
        b"\x80\x02\x82\x01.",  # the extension registry
        b"(" * 200_000 + b"t" * 200_000 + b".",
        b".",
        b"",
    ],
)
def test_a_crafted_pickle_takes_neither_memory_nor_anything_else(tmp_path, payload):
    write_pickled(tmp_path / "a.npz", payload)
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match="refused"):
            read(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


def test_a_file_that_unpacks_to_more_than_any_recording_is_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("X.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(600):
            member.write(bytes(1 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 1e6
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match="holds more than 512 MB"):
            read(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_nothing_of_a_hostile_file_runs_in_a_folder(tmp_path):
    write_pickled(tmp_path / "a.npz", pickle.dumps(Runs(os.system, f"touch {tmp_path / MARKER}")))
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "train", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("posewatch: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / MARKER).exists()


@pytest.fixture(scope="module")
def good_file(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "a.npz"
    np.savez(path, X=ragged(poses(3), poses(2)), y=["a", "b"])
    return path.read_bytes()


@settings(max_examples=200)
@given(where=st.floats(0, 1, exclude_max=True), garbage=st.binary(min_size=1, max_size=30), cut=st.booleans())
def test_a_damaged_file_ends_in_one_line_or_in_good_rows(tmp_path_factory, good_file, where, garbage, cut):
    place = int(where * len(good_file))
    path = tmp_path_factory.mktemp("bad") / "a.npz"
    path.write_bytes(good_file[:place] + garbage + (b"" if cut else good_file[place + len(garbage) :]))
    try:
        takes, told = read(path)
    except RecordingError as error:
        takes, told = [], [str(error)]
    assert all("\n" not in line and str(path) in line for line in told)
    assert all(np.isfinite(one.landmarks).all() for one in takes)


@settings(max_examples=200)
@given(where=st.floats(0, 1, exclude_max=True), garbage=st.binary(min_size=1, max_size=12))
def test_a_pickle_with_other_bytes_in_it_ends_in_one_line_or_in_arrays(tmp_path_factory, where, garbage):
    """The checksum of the archive is right, so that the bytes come through to the reader."""
    whole = pickle.dumps(ragged(poses(1), poses(2).tolist()), 4)
    place = int(where * len(whole))
    path = tmp_path_factory.mktemp("bad") / "a.npz"
    write_pickled(path, whole[:place] + garbage + whole[place + len(garbage) :], "(2,)")
    try:
        assert {type(one) for one in read_arrays(path).values()} == {np.ndarray}
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_a_folder_holds_texts_and_arrays(tmp_path):
    (tmp_path / "club").mkdir()
    np.savez(tmp_path / "club" / "gym.NPZ", X=ragged(poses(3), poses(2, 5)), y=["a", "b"])
    (tmp_path / "club" / "gym.NPZ.npz").rename(tmp_path / "club" / "gym.NPZ")
    (tmp_path / "club" / "notes.txt").write_text("of last week")
    assert [(one.label, one.group) for one in read_folder(tmp_path)] == [("a", "gym"), ("b", "gym")]
