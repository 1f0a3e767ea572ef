"""What a camera says that it sends: the part of SDP (RFC 8866) that a viewer needs."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from daemon.rtsp.nal import split_units

__all__ = ["Video", "video_of"]

_CODECS = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}


@dataclass(frozen=True, slots=True)
class Video:
    """The first video of a presentation.

    Attributes:
        codec: `h264`, `hevc`, or the name in the SDP of what is neither.
        payload_type: of its RTP packets.
        control: its control URL as given, maybe relative; empty where there is none.
        session_control: that of the whole presentation.
        parameter_sets: NAL units of the decoder's parameters, without start codes.
        rate: frames a second; None where it is not said.
        in_order: whether units are sent in the order in which they are decoded. Otherwise each has a number
            before it (DONL, RFC 7798).
    """

    codec: str
    payload_type: int
    control: str
    session_control: str
    parameter_sets: tuple[bytes, ...]
    rate: float | None
    in_order: bool = True


def video_of(text: str) -> Video | None:
    """The first video of an SDP text; None where there is none."""
    session_control, control, rate = "", "", None
    section, payload_type = "", -1
    names: dict[int, str] = {}
    formats: dict[int, str] = {}
    for line in text.replace("\r", "\n").split("\n"):
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            if section == "video":
                break
            words = value.split()
            section = words[0].lower() if words else "?"
            if section == "video" and len(words) > 3 and words[3].isdecimal() and len(words[3]) < 4:
                payload_type = int(words[3])
        if kind != "a":
            continue
        name, _, rest = value.partition(":")
        name, rest = name.lower(), rest.strip()
        if name == "control":
            if section == "video":
                control = rest
            elif not section:
                session_control = rest
        elif section != "video":
            continue
        elif name == "rtpmap":
            number, encoding = _pair(rest)
            if number.isdecimal() and len(number) < 4:
                names[int(number)] = encoding.partition("/")[0].upper()
        elif name == "fmtp":
            number, parameters = _pair(rest)
            if number.isdecimal() and len(number) < 4:
                formats[int(number)] = parameters
        elif name in ("framerate", "x-framerate"):
            rate = _rate(rest)
    if payload_type < 0:
        return None
    encoding = names.get(payload_type, f"payload type {payload_type}")
    codec = _CODECS.get(encoding, encoding)
    told = _parameters(formats.get(payload_type, ""))
    in_order = told.get("sprop-max-don-diff", "0") in ("0", "")
    sets = _parameter_sets(told)
    return Video(codec, payload_type, control, session_control, sets, rate, in_order)


def _pair(text: str) -> tuple[str, str]:
    """A number, and what is said of it."""
    words = text.split(None, 1)
    return (words[0], words[1].strip()) if len(words) == 2 else (text, "")


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a format, by name in lower case."""
    parts = [part.strip().partition("=") for part in text.split(";")]
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}


def _rate(text: str) -> float | None:
    try:
        rate = float(text.split()[0])
    except (ValueError, IndexError):
        return None
    return rate if 0.1 <= rate <= 240.0 else None


def _parameter_sets(found: dict[str, str]) -> tuple[bytes, ...]:
    """`sprop-parameter-sets` of H.264 (RFC 6184), `sprop-vps`, `-sps` and `-pps` of H.265 (RFC 7798)."""
    units: list[bytes] = []
    for name in ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"):
        for text in found.get(name, "").split(","):
            try:
                unit = base64.b64decode(text + "=" * (-len(text) % 4))
            except (binascii.Error, ValueError):
                continue
            units += split_units(unit)  # some cameras put start codes into them
    return tuple(units)
