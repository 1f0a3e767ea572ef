"""No damaged picture reaches the detector: coded footage whose every frame is known, harmed in many ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from damage import DAMAGES, rtp_of, send
from footage import STREAMS, Footage, footage

from daemon.rtsp.decoding import Decoder
from daemon.rtsp.depacketizing import AccessUnit, Depacketizer

LOSSES = [name for name in DAMAGES if "bits" not in name and name not in ("nothing", "a packet twice")]
SEEDS = range(3)  # tests/benchmarks/camera_damage.py takes many more


@pytest.mark.parametrize("name", STREAMS)
def test_a_clean_stream_loses_nothing(name: str) -> None:
    clip = footage(name)
    reordered = 3 if "B-" in name else 0  # are in the decoder when the clip ends
    for damage in ("nothing", "a packet twice"):
        result = send(clip, DAMAGES[damage])
        assert result.given == list(range(len(clip.truth)))[: len(result.given)]
        assert len(result.given) >= len(clip.truth) - reordered
        assert (result.wrong, result.damaged) == ({}, 0)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("damage", LOSSES)
def test_after_a_loss_no_picture_is_wrong(name: str, damage: str) -> None:
    clip = footage(name)
    given = 0
    for seed in SEEDS:
        result = send(clip, DAMAGES[damage], seed)
        assert result.wrong == {}
        assert result.given == sorted(set(result.given))
        assert result.damaged > 0 or len(result.given) > 50  # only B-frames that nobody needs were lost
        given += len(result.given)
    assert given > (10 if damage.startswith("1 %") else 60)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("first", [1, 7, 20])
def test_joining_in_the_middle_waits_for_a_picture_that_stands_alone(name: str, first: int) -> None:
    result = send(footage(name), DAMAGES["nothing"], first=first)
    assert result.wrong == {}
    assert result.damaged == 0  # nothing was lost: we only came late
    refreshed = 30 if "refresh" in name else 15
    assert result.given[0] <= first + refreshed


@pytest.mark.parametrize("name", ["h264", "hevc", "h264 intra refresh"])
def test_who_never_sends_one_is_seen_all_the_same(name: str) -> None:
    """From the middle of a single group of pictures, without any place where decoding could begin."""
    clip = footage(name, frames=400, gop=1000, width=160, height=128)
    depacketizer = Depacketizer(hevc=clip.hevc, payload_type=96)
    decoder = Decoder(clip.codec, clip.parameters)
    units = [unit for packets in rtp_of(clip, first=3) for one in packets for unit in depacketizer.push(one)]
    assert [frame for unit in units[:50] for frame in decoder.decode(unit)] == []
    decoder.take_all()
    frames = [frame for unit in units[50:] for frame in decoder.decode(unit)]
    assert len(frames) > 100
    assert decoder.has_begun


def test_frame_numbers_of_its_own_are_no_losses() -> None:
    """An encoder that counts as it likes must not look like one that loses pictures for ever."""
    clip = footage("h264")
    result = send(clip, lambda packets, _: [one for at, one in enumerate(packets) if at % 5 != 4])
    assert result.wrong == {}  # these losses show in the RTP numbers

    def only_numbers(packets, generator):  # type: ignore[no-untyped-def]
        return DAMAGES["pictures dropped by the camera"](packets, generator)

    decoder_says = [send(clip, only_numbers, seed) for seed in range(4)]
    assert all(result.damaged for result in decoder_says)


def _decoded(clip: Footage, change: Callable[[list[bytes]], list[bytes]]) -> tuple[int, int]:
    """Pictures that are given, and damaged ones, of footage whose access units are changed."""
    decoder, given = Decoder(clip.codec, clip.parameters), 0
    for number, units in clip.units:
        whole = AccessUnit(tuple(change(list(units))), 6000 * number, True, True)
        given += len(decoder.decode(whole))
    return given, decoder.damaged


def _only(kind: int) -> Callable[[list[bytes]], list[bytes]]:
    """Without the parameter sets of every other type."""
    return lambda units: [one for one in units if one[0] >> 1 not in {32, 33, 34} - {kind}]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("h264", lambda units: [b"\x06\x05\xff\xff\x10own", *units]),  # more than there is
        ("h264", lambda units: [b"\x06\x00\x03\xff\x00\x12\x80", *units]),  # of no such parameters
        ("h264", lambda units: [*units, b"\x0a"]),
        ("h264", lambda units: [one for one in units if one[0] & 31 != 8]),
        ("h264", lambda units: [b"\x68\x40\x00", *units]),  # parameters that are none
        ("hevc", lambda units: [b"\x4e\x01\x04\x10own\x80", *units]),
        ("hevc", lambda units: [*units, b"\x50\x01\x84\x10own\x80"]),
        ("hevc", lambda units: [*units, b"\x48\x01"]),
        ("hevc", lambda units: [*units, b"\x60\x01own"]),
        ("hevc", _only(33)),
        ("hevc", _only(34)),
    ],
)
def test_words_of_its_own_are_no_damage(name: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    clip = footage(name)
    assert _decoded(clip, change) == (len(clip.truth), 0)
