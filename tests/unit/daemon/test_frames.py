"""What a frame gives without, and with, the conversion of its whole picture."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from daemon.frames import DecodedPicture
from daemon.reader import Frame, FrameReader

WIDTH, HEIGHT = 322, 246  # rows that are longer in memory than in the picture


@pytest.fixture(scope="module")
def scene():
    """(H, W, 3) BGR: soft colours from which neither scaling nor coding takes much."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    channels = [96 + 60 * np.sin(x / 31 + k) + 60 * np.cos(y / (23 + 9 * k)) for k in range(3)]
    return np.clip(np.stack(channels, 2), 0, 255).astype(np.uint8)


def decoded(image, kind, **colours):
    """A frame as a decoder would give it."""
    frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=kind)
    for name, value in colours.items():
        setattr(frame, name, value)
    return frame


def frame_of(picture):
    return Frame("door", 7, picture, 1.7e9, 12.5)


def difference(one, other):
    assert one.shape == other.shape
    return np.abs(one.astype(int) - other).mean()


KINDS = {
    "yuv420p": (16, 235),
    "yuvj420p": (0, 255),
    "yuv422p": (16, 235),
    "yuv444p": (16, 235),
    "nv12": (16, 235),
    "gray": (0, 255),
    "yuv420p10le": (0, 255),  # made of the image
    "bgr24": (0, 255),
}


@pytest.mark.parametrize(("kind", "levels"), KINDS.items())
def test_light_and_dark_are_those_of_the_image_in_every_format(scene, kind, levels):
    frame = frame_of(DecodedPicture(decoded(scene, kind), 0.0))
    black, white = frame.luma_range
    assert (black, white) == levels
    grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
    assert difference((frame.luma.astype(float) - black) * 255 / (white - black), grey) < 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(161, 123), (96, 96), (416, 318), (WIDTH, HEIGHT)])
def test_a_small_picture_is_the_image_made_small_in_every_format(scene, kind, size):
    frame = frame_of(DecodedPicture(decoded(scene, kind), 0.0))
    small = frame.scaled(*size)
    assert small.dtype == np.uint8
    expected = cv2.resize(frame.image, size)
    assert difference(small, expected) < 2.0
    if size[0] < WIDTH:  # the least move would be seen
        moved = cv2.warpAffine(expected, np.float32([[1, 0, 0.5], [0, 1, 0.5]]), size)
        assert difference(small[4:-4, 4:-4], expected[4:-4, 4:-4]) < difference(
            small[4:-4, 4:-4], moved[4:-4, 4:-4]
        )


@pytest.mark.parametrize("colours", [{}, {"color_range": 2}, {"colorspace": 1}], ids=str)
def test_a_small_picture_has_the_colours_of_the_image(scene, colours):
    frame = frame_of(DecodedPicture(decoded(scene, "yuv420p", **colours), 0.0))
    assert difference(frame.scaled(161, 123), cv2.resize(frame.image, (161, 123))) < 2.0


def test_a_stream_of_full_range_says_so(scene):
    assert frame_of(DecodedPicture(decoded(scene, "yuv420p", color_range=2), 0.0)).luma_range == (0, 255)


def test_luma_is_the_decoders_own_and_cannot_be_written_to(scene):
    picture = decoded(scene, "yuv420p")
    luma = frame_of(DecodedPicture(picture, 0.0)).luma
    assert luma.shape == (HEIGHT, WIDTH)
    assert np.shares_memory(luma, np.frombuffer(picture.planes[0], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        luma[0, 0] = 1


def test_the_image_is_converted_once(scene):
    frame = frame_of(DecodedPicture(decoded(scene, "yuv420p"), 0.0))
    assert frame.image is frame.image
    assert difference(frame.image, scene) < 3.0


def test_arrays_outlive_the_frame_that_they_are_of(scene):
    pictures = [decoded(np.roll(scene, k, 1), "yuv420p") for k in range(4)]
    kept = [frame_of(DecodedPicture(one, 0.0)).luma for one in pictures]
    expected = [bytes(one.planes[0]) for one in pictures]
    del pictures
    _ = [decoded(np.zeros_like(scene), "yuv420p") for _ in range(8)]  # would take over what was let go
    assert [bytes(one.base) for one in kept] == expected


def test_a_frame_made_of_an_array_gives_the_same(scene):
    frame = frame_of(scene)
    assert frame.image is scene
    assert frame.size == (WIDTH, HEIGHT)
    assert frame.luma_range == (0, 255)
    assert np.array_equal(frame.luma, cv2.cvtColor(scene, cv2.COLOR_BGR2GRAY))
    assert np.array_equal(frame.scaled(161, 123), cv2.resize(scene, (161, 123)))
    assert (frame.camera, frame.index, frame.captured_at, frame.monotonic) == ("door", 7, 1.7e9, 12.5)


@pytest.fixture(scope="module")
def turned_clip(scene, tmp_path_factory):
    """A file that says that its picture is to be shown turned by a quarter."""
    path = tmp_path_factory.mktemp("turned") / "clip.mp4"
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sink.mux(stream.encode(av.VideoFrame.from_ndarray(scene, format="bgr24")))
        sink.mux(stream.encode())
    straight = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    turned = (0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0, HEIGHT << 16, 0, 1 << 30)
    data = path.read_bytes()
    track = data.index(b"tkhd")
    path.write_bytes(
        data[:track] + data[track:].replace(straight, b"".join(one.to_bytes(4, "big") for one in turned), 1)
    )
    return path


def test_everything_is_upright(scene, turned_clip):
    with FrameReader("door", str(turned_clip)) as reader:
        frame = reader.read()
    expected = cv2.rotate(scene, cv2.ROTATE_90_CLOCKWISE)
    assert frame.size == (HEIGHT, WIDTH)
    assert difference(frame.image, expected) < 4.0
    assert difference(frame.scaled(123, 161), cv2.resize(frame.image, (123, 161))) < 2.0
    black, white = frame.luma_range
    grey = cv2.cvtColor(expected, cv2.COLOR_BGR2GRAY)
    assert difference((frame.luma.astype(float) - black) * 255 / (white - black), grey) < 4.0
