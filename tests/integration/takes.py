"""Takes of stick people who stand, wave with the right arm, or spin both arms, a little different each."""

from __future__ import annotations

import numpy as np

from classifier.recording import Recording

RATE, SECONDS = 25.0, 6.0
# Left shoulder, elbow, wrist, hip, knee, ankle, heel, toes: x to the person's left and y down, hips at 0.
_LEFT = {
    **{11: (0.12, -0.3), 13: (0.16, -0.14), 15: (0.17, 0.02), 23: (0.08, 0.0)},
    **{25: (0.09, 0.25), 27: (0.09, 0.48), 29: (0.09, 0.51), 31: (0.12, 0.53)},
}


def take(label: str, seed: int, seconds: float = SECONDS) -> Recording:
    """A take of `standing`, `waving`, `left_wave`, `right_wave` or `spinning`."""
    random = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    body = np.zeros((33, 4), np.float32)
    body[:, 3] = 0.95
    body[:11, :2] = (0.0, -0.42)
    for left, (x, y) in _LEFT.items():
        body[left, :2], body[left + 1, :2] = (x, y), (-x, y)
    body[[17, 19, 21]], body[[18, 20, 22]] = body[15], body[16]
    poses = np.repeat(body[None], len(times), axis=0)
    phase = 2 * np.pi * 1.5 * times + random.uniform(0, 6)
    side = 0 if label == "left_wave" else 1
    if label in ("waving", "right_wave", "left_wave"):
        for landmark in (15, 17, 19, 21):
            poses[:, landmark + side, 0] = (0.2 if side == 0 else -0.2) + 0.12 * np.sin(phase)
            poses[:, landmark + side, 1] = -0.55
        poses[:, 13 + side, :2] = (0.2 if side == 0 else -0.2, -0.35)
    elif label == "spinning":
        for landmark, x in ((15, 0.12), (16, -0.12)):
            poses[:, landmark, 0] = x + 0.3 * np.cos(phase)
            poses[:, landmark, 1] = -0.3 + 0.3 * np.sin(phase)
    poses[..., :2] += random.normal(0, 0.004, poses[..., :2].shape)
    poses[..., :2] = poses[..., :2] * random.uniform(0.3, 0.6) + random.uniform(0.4, 0.6, 2)
    return Recording(label, np.arange(len(times)), poses.astype(np.float32), rate=RATE, width=480, height=480)
