"""Reads a video with mediapipe's own Pose; runs in mediapipe's environment, which has nothing of posewatch.

    python mediapipe_worker.py CLIP OUT.npz

Writes `landmarks` (frames, 33, 4) float32 x, y, z in px and visibility (NaN where it found nobody), `world`
(frames, 33, 3) float32 metres and `ms` (frames,) of each call. Tracks from frame to frame, unsmoothed.
"""

from __future__ import annotations

import sys
import time

import cv2
import mediapipe as mp
import numpy as np


def main() -> int:
    clip, out = sys.argv[1:3]
    video = cv2.VideoCapture(clip)
    landmarks, world, milliseconds = [], [], []
    with mp.solutions.pose.Pose(model_complexity=1, smooth_landmarks=False) as pose:
        while True:
            good, image = video.read()
            if not good:
                break
            height, width = image.shape[:2]
            picture = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            started = time.perf_counter()
            result = pose.process(picture)
            milliseconds.append((time.perf_counter() - started) * 1e3)
            points, metres = np.full((33, 4), np.nan), np.full((33, 3), np.nan)
            if result.pose_landmarks:
                found = result.pose_landmarks.landmark
                points = np.array([(p.x * width, p.y * height, p.z * width, p.visibility) for p in found])
                metres = np.array([(p.x, p.y, p.z) for p in result.pose_world_landmarks.landmark])
            landmarks.append(points)
            world.append(metres)
    np.savez(
        out, landmarks=np.array(landmarks, np.float32), world=np.array(world, np.float32), ms=milliseconds
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
