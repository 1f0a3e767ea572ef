"""RTSP over TCP for H.264 and H.265, in our own hands.

FFmpeg's RTSP client hides what was lost: over TCP it takes a gap in the RTP sequence numbers without a word,
its H.265 decoder does not notice a slice with a hole, and what comes out is grey or smeared. It also gives
a frame only when the next one begins, and cannot be woken while it waits. Here every packet is counted, a
frame is complete with its last packet, and a wait ends when the camera is stopped. Other codecs, UDP and
encrypted streams go through FFmpeg (`daemon.ffmpeg_source`).
"""

from daemon.rtsp.source import RtspSource, Unsupported

__all__ = ["RtspSource", "Unsupported"]
