"""Keeps a pose on each track: from a person's last pose comes the square in which the next one is read.

A square that follows the body is turned with it, so a fall is read upright from its first frame to its last.
Whoever is new, or whose pose has left the body, is looked for from the box: upright, and where the box is
wide also lying to either side. Who stands close by is blanked in the crop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracker.fitting import Box, area, belongs, moved_box, moved_landmarks, place
from tracker.oks import object_keypoint_similarity
from tracker.pose import Pose, PoseBackend, Roi
from tracker.pose_pacing import PosePacing
from tracker.pose_search import Picture, Sought, is_good, read_all, search
from tracker.tracks import Track, rename

__all__ = ["Followed", "PoseFollower"]

_MEMORY = 1.0  # seconds for which a last pose tells where to look
_RETRY = (0.03, 1.0)  # seconds between two searches in vain: at first (the next frame), and in the end
_ALIKE = 0.35  # OKS with the pose expected from which a pose that was followed is of the same person
_STEP, _MOST_STEPS = 0.1, 3.0  # seconds in which limbs go as far as that allows; longer, as much further
_SURE = 0.9  # score from which a pose that is unlike the one expected may be taken without another look
_SAME_SQUARE = 0.06  # of its side that a square may be off another and still show the same
_FLIP_MEMORY = 0.5  # seconds within which nobody turns head over heels


@dataclass(frozen=True, slots=True)
class Followed:
    """A pose that was read where the last one led to, before anything was detected in the frame.

    Attributes:
        pose: it.
        box: (4,) float32 left, top, right, bottom in px: the person's last box, moved and stretched as the
            landmarks were.
        likeness: OKS with the pose that was expected there.
    """

    pose: Pose
    box: Box
    likeness: float


@dataclass(slots=True)
class _Memory:
    """What is known of a track's last pose, and when it was last searched for in vain."""

    roi: Roi | None = None
    tried: Roi | None = None
    found: Pose | None = None
    last: Roi | None = None
    landmarks: npt.NDArray[np.float32] | None = None
    box: Box | None = None
    monotonic: float = -math.inf
    failed: float = -math.inf
    wait: float = 0.0


class PoseFollower:
    """Reads the poses of one camera's tracks, frame after frame.

    Args:
        pacing: says who need not be read in a frame; without it everybody is.
    """

    def __init__(self, pacing: PosePacing | None = None) -> None:
        self._pacing = pacing or PosePacing()
        self._memory: dict[str, _Memory] = {}
        self._resting: set[str] = set()
        self._failed = 0

    def follow(
        self,
        image: Picture,
        expected: Mapping[str, Box],
        estimator: PoseBackend,
        monotonic: float,
        pressing: Set[str] = frozenset(),
        height: float = 0.0,
    ) -> dict[str, Followed]:
        """Reads poses where the last ones lead to, without any detection.

        Args:
            image: (H, W, 3) uint8 BGR, or what gives it: it is asked for where somebody is read.
            expected: boxes (4,) in px, by track id, where people should be by now.
            estimator: what runs the network.
            monotonic: seconds of the frame.
            pressing: ids of those who are to be read, however steady they are.
            height: of the picture in px, which tells who is far away; 0 takes nobody for that.

        Returns:
            By track id, the poses that are likely of the same person.
        """
        self._resting = self._pacing.resting(expected, monotonic, pressing, height)
        for memory in self._memory.values():
            memory.tried = memory.found = None
        wanted = [
            (key, roi)
            for key, box in expected.items()
            if key not in self._resting and (roi := self._expected(key, box, monotonic))
        ]
        boxes = list(expected.values())
        calm = [self._pacing.is_calm(key, monotonic) for key, _ in wanted]
        poses = read_all(image, [(expected[key], roi) for key, roi in wanted], boxes, estimator, calm)
        followed = {}
        for (key, roi), pose in zip(wanted, poses, strict=True):
            memory, box = self._memory[key], expected[key]
            memory.tried, memory.found = roi, pose
            assert memory.landmarks is not None
            assert memory.box is not None
            if pose.score < estimator.min_score or not belongs(pose, box, boxes):
                continue
            likeness = object_keypoint_similarity(
                moved_landmarks(memory.landmarks, memory.box, box),
                pose.landmarks,
                area(box) * _allowance(monotonic - memory.monotonic),
            )
            if likeness >= _ALIKE:
                new = moved_box(memory.box, memory.landmarks, pose.landmarks)
                followed[key] = Followed(pose, new, likeness)
        recent = [key for key in expected if self._recent(key, monotonic) is not None]
        self._failed = sum(key not in followed and key not in self._resting for key in recent)
        return followed

    @property
    def resting(self) -> Set[str]:
        """Ids of those who were not read in the last `follow`, as their last poses are still right."""
        return self._resting

    @property
    def failed(self) -> int:
        """People who had a pose within the last second, and had none in the last `follow`."""
        return self._failed

    def estimate(
        self,
        image: Picture,
        tracks: Sequence[Track],
        estimator: PoseBackend,
        followed: Mapping[str, Followed] | None = None,
        detected: bool = True,
    ) -> dict[str, Pose]:
        """Reads the pose of everybody who is seen in this frame, but of those who rest.

        Somebody who was left out in `follow` is read all the same where the detector does not see the person,
        or sees another shape. `resting` says who was left out in the end.

        Args:
            image: (H, W, 3) uint8 BGR, or what gives it: it is asked for where somebody is read.
            tracks: people who were seen in this frame.
            estimator: what runs the network.
            followed: what `follow` gave for this frame.
            detected: whether the detector ran in this frame.

        Returns:
            Poses by track id; nobody whose pose is weak or does not fit the box.
        """
        boxes = [_box(track) for track in tracks]
        self._resting = {track.id for track in tracks if self._still_rests(track, detected)}
        tracks = [track for track in tracks if track.id not in self._resting]
        found: dict[str, Pose] = {}
        # 1. Who was followed, as far as the pose is of the one who was detected.
        for track in tracks:
            one = followed.get(track.id) if followed else None
            if one is not None and belongs(one.pose, _box(track), boxes):
                found[track.id] = one.pose
            else:  # unlike the one expected, but may well be of this body
                tried = self._tried(track)
                if tried is not None and is_good(tried, _box(track), self._last(track), boxes, estimator):
                    found[track.id] = tried
        # 2. Where the last pose says that the body is, moved with the box.
        following = [
            (track, roi)
            for track in tracks
            if track.id not in found
            and (roi := self._expected(track.id, _box(track), track.last_monotonic))
            and not _same(roi, self._memory[track.id].tried)
        ]
        read = read_all(image, [(_box(track), roi) for track, roi in following], boxes, estimator)
        for (track, _), pose in zip(following, read, strict=True):
            if is_good(pose, _box(track), self._last(track), boxes, estimator):
                found[track.id] = pose
        # 3. Who is new, was lost, or whose pose has gone over to a neighbour: from the box.
        wanted = [track for track in tracks if track.id not in found and self._may_search(track)]
        if wanted:
            found |= search(image, [self._sought(track) for track in wanted], boxes, estimator)
        # 4. What the next frame needs.
        for track in tracks:
            self._remember(track, found.get(track.id))
        return found

    def drop(self, tracks: Iterable[str]) -> None:
        """Forgets tracks by id."""
        tracks = list(tracks)
        self._pacing.drop(tracks)
        for track in tracks:
            self._memory.pop(track, None)

    def rename(self, names: Mapping[str, str]) -> None:
        """Goes on with bodies under other ids, the new one by the old one."""
        self._pacing.rename(names)
        rename(self._memory, names)
        self._resting = {names.get(one, one) for one in self._resting}

    def _still_rests(self, track: Track, detected: bool) -> bool:
        """Whether somebody who was left out may be, now that the detector has or has not seen them."""
        if track.id not in self._resting:
            return False
        if track.detection_box is None:
            if detected:  # from now on the pose says where the person is
                self._pacing.miss(track.id, track.last_monotonic)
            return not detected
        return self._pacing.fits(track.id, track.box, track.last_monotonic)

    def _recent(self, track: str, monotonic: float, seconds: float = _MEMORY) -> _Memory | None:
        """What is known of a track whose last pose is not older than this."""
        memory = self._memory.get(track)
        return memory if memory is not None and monotonic - memory.monotonic <= seconds else None

    def _expected(self, track: str, box: Box, monotonic: float) -> Roi | None:
        memory = self._recent(track, monotonic)
        if memory is None or memory.roi is None or memory.box is None:
            return None
        (x, y, extent), (old_x, old_y, old_extent) = place(box), place(memory.box)
        # Sizes of boxes jump when arms or legs are hidden: half of a change is taken for real.
        scale = float(np.clip(math.sqrt(extent / old_extent), 0.8, 1.25))
        return memory.roi.moved(x - old_x, y - old_y, scale)

    def _tried(self, track: Track) -> Pose | None:
        """What `follow` surely read of somebody, where the detector says the same of where the body is."""
        memory = self._memory.get(track.id)
        if memory is None or memory.found is None or memory.found.score < _SURE:
            return None
        roi = self._expected(track.id, _box(track), track.last_monotonic)
        return memory.found if roi is not None and _same(roi, memory.tried) else None

    def _last(self, track: Track) -> Roi | None:
        """The square of the track's last pose, while it tells where the head is."""
        memory = self._recent(track.id, track.last_monotonic, _FLIP_MEMORY)
        return None if memory is None else memory.last

    def _may_search(self, track: Track) -> bool:
        memory = self._memory.get(track.id)
        return memory is None or track.last_monotonic - memory.failed >= memory.wait - 1e-6

    def _sought(self, track: Track) -> Sought:
        """What is known of somebody whose pose has to be looked for."""
        memory = self._memory.get(track.id)
        return Sought(
            track.id,
            _box(track),
            self._last(track),
            just_lost=self._recent(track.id, track.last_monotonic) is not None,
            tried=None if memory is None else memory.found,
        )

    def _remember(self, track: Track, pose: Pose | None) -> None:
        memory = self._memory.setdefault(track.id, _Memory())
        memory.tried = memory.found = None
        if pose is None:
            self._pacing.miss(track.id, track.last_monotonic)
            if self._may_search(track):  # it was, in vain
                memory.failed = track.last_monotonic
                memory.wait = min(max(2.0 * memory.wait, _RETRY[0]), _RETRY[1])
            memory.roi = None
            return
        memory.roi = memory.last = pose.next_roi
        memory.landmarks, memory.box = pose.landmarks, _box(track)
        memory.monotonic, memory.failed, memory.wait = track.last_monotonic, -math.inf, 0.0
        self._pacing.see(track.id, pose.landmarks, pose.score, track.box, track.last_monotonic)


def _allowance(passed: float) -> float:
    """By how much larger a body is taken to be for its likeness with a pose of so many seconds ago."""
    return min(max(passed / _STEP, 1.0), _MOST_STEPS) ** 2


def _box(track: Track) -> npt.NDArray[np.float32]:
    return track.box if track.detection_box is None else track.detection_box


def _same(roi: Roi, other: Roi | None) -> bool:
    """Whether two squares show the same."""
    return other is not None and math.hypot(roi.x - other.x, roi.y - other.y) < _SAME_SQUARE * roi.side
