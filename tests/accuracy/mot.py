"""Rows of MOT files; numpy and scipy only, as the other trackers' environment reads it too.

A row is frame (from 1), id, left, top, width, height in px, and a score, which is 0 for people of the ground
truth that are not counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

MATCH = 0.5  # IoU from which a track is on a person


def rows_of(frame: int, ids: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows (N, 7) of one frame for boxes (N, 4) left, top, right, bottom."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    head = np.column_stack([np.full(len(boxes), frame, np.float64), ids])
    return np.column_stack([head, boxes[:, :2], boxes[:, 2:] - boxes[:, :2], scores])


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU (N, M) of rows (N, 7) and (M, 7)."""
    low = np.maximum(first[:, None, 2:4], second[None, :, 2:4])
    high = np.minimum((first[:, 2:4] + first[:, 4:6])[:, None], (second[:, 2:4] + second[:, 4:6])[None])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    union = first[:, 4:6].prod(axis=1)[:, None] + second[:, 4:6].prod(axis=1)[None] - shared
    return shared / np.maximum(union, 1e-9)


def without_ignored(truth: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both without the people who are not counted, and without what was found of them, as MOTChallenge."""
    keep = np.ones(len(found), bool)
    for frame in np.unique(truth[truth[:, 6] == 0, 0]):
        people, places = truth[truth[:, 0] == frame], np.flatnonzero(found[:, 0] == frame)
        iou = overlap(people, found[places])
        first, second = linear_sum_assignment(np.where(iou >= MATCH, iou, 0.0), maximize=True)
        ignored = (iou[first, second] >= MATCH) & (people[first, 6] == 0)
        keep[places[second[ignored]]] = False
    return truth[truth[:, 6] > 0], found[keep]


def frame_pairs(truth: np.ndarray, found: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of the truth and rows found, frame by frame, of every frame that has any."""
    frames = np.union1d(truth[:, 0], found[:, 0])
    return [(truth[truth[:, 0] == frame], found[found[:, 0] == frame]) for frame in frames]


def trackeval_data(truth: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """What the metrics of `trackeval` take as a sequence; give it rows without ignored ones."""
    people, tracks = np.unique(truth[:, 1]), np.unique(found[:, 1])
    pairs = frame_pairs(truth, found)
    return {
        "num_timesteps": len(pairs),
        "num_gt_ids": len(people),
        "num_tracker_ids": len(tracks),
        "num_gt_dets": len(truth),
        "num_tracker_dets": len(found),
        "gt_ids": [np.searchsorted(people, one[:, 1]) for one, _ in pairs],
        "tracker_ids": [np.searchsorted(tracks, other[:, 1]) for _, other in pairs],
        "similarity_scores": [overlap(one, other) for one, other in pairs],
    }
