"""What FFmpeg may open for one source: no file may make it read another one, or call anybody.

A playlist, a list for `concat` or a session description is a text that names further addresses: local files,
which then appear in pictures, or machines in the network. FFmpeg goes by the content, not by the name.
"""

from __future__ import annotations

__all__ = ["MAX_PIXELS", "what_may_be_opened"]

MAX_PIXELS = 36_000_000
"""Of a frame: 8K and a little. A small file may claim gigabytes."""

# One file each, no further ones: of FFmpeg's names of demuxers.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf,"
    "flv,live_flv,asf,asf_o,ogg,mjpeg,mpjpeg,mxf,nut,dv,vc1,vc1test,rm,wtv,gxf,nsv,dhav,yuv4mpegpipe,gif"
)
_NETWORK = "tcp,udp,udplite,rtp,srtp,tls,http,https,httpproxy,crypto,rtmp,rtmps,rtmpt,srt,unix"


def what_may_be_opened(source: str) -> dict[str, str]:
    """Options of FFmpeg for a source: a path, or an address with `://`.

    An address may lead to others in the network (a redirection, the parts of an HLS stream), never to a file
    of this machine.
    """
    scheme = source.partition("://")[0].lower() if "://" in source else "file"
    if scheme == "file":
        return {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
    if scheme in ("http", "https"):
        return {
            "protocol_whitelist": "http,https,httpproxy,tcp,tls,crypto",
            "format_whitelist": f"{_CONTAINERS},hls,mpegts,dash,image2pipe,jpeg_pipe",
        }
    return {"protocol_whitelist": f"{scheme},{_NETWORK}"}
