"""In which zones a person's feet are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.config.zones import Zone
from daemon.polygons import contains, touches
from daemon.zones import ZoneMap, ZonePresence

SQUARE = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
ARROW = [(0.1, 0.1), (0.9, 0.5), (0.1, 0.9), (0.4, 0.5)]  # with a notch on the left
LOWER = [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]


def zones(**polygons) -> ZoneMap:
    return ZoneMap({name: Zone(points=tuple(points)) for name, points in polygons.items()})


def feet(x: float, y: float, width: int = 640, height: int = 480) -> np.ndarray:
    """A box whose feet are at x, y in 0..1."""
    return np.array([x * width - 20, y * height - 150, x * width + 20, y * height], np.float32)


@pytest.mark.parametrize(
    ("x", "y", "inside"),
    [
        (0.5, 0.5, True),
        (0.5, 0.2, False),  # above
        (0.8, 0.5, False),  # beside
        (0.25, 0.5, True),  # on an edge
        (0.75, 0.75, True),  # on a corner
        (0.2499, 0.5, False),
    ],
)
def test_feet_in_a_square(x, y, inside):
    assert zones(square=SQUARE).containing(feet(x, y, 1000, 1000), 1000, 1000) == (
        ("square",) if inside else ()
    )


@pytest.mark.parametrize(
    ("x", "y", "inside"),
    [
        (0.2, 0.2, True),  # the upper arm
        (0.2, 0.8, True),  # the lower arm
        (0.2, 0.5, False),  # the notch between them
        (0.6, 0.5, True),
        (0.95, 0.5, False),
    ],
)
def test_feet_in_a_hollow_polygon(x, y, inside):
    assert zones(arrow=ARROW).containing(feet(x, y), 640, 480) == (("arrow",) if inside else ())


def test_it_is_the_feet_that_count():
    box = np.array([300, 50, 340, 230], np.float32)  # ends above the middle, head and all in the upper half
    assert zones(lower=LOWER).containing(box, 640, 480) == ()
    box[3] = 250
    assert zones(lower=LOWER).containing(box, 640, 480) == ("lower",)


@pytest.mark.parametrize("bottom", [480.0, 481.5, 700.0])
def test_a_person_cut_off_by_the_image_stands_at_its_edge(bottom):
    box = np.array([300, 200, 340, bottom], np.float32)
    assert zones(lower=LOWER).containing(box, 640, 480) == ("lower",)


def test_zones_may_overlap_and_keep_their_order():
    both = zones(b=SQUARE, a=LOWER, c=[(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)])
    assert both.containing(feet(0.5, 0.6), 640, 480) == ("b", "a")


def test_no_zones_and_boxes_without_a_number():
    assert ZoneMap({}).containing(feet(0.5, 0.5), 640, 480) == ()
    broken = np.full(4, np.nan, np.float32)
    assert zones(square=SQUARE).containing(broken, 640, 480) == ()


SIZES = st.sampled_from([(640, 480), (1920, 1080), (352, 288)])
SHARES = st.floats(0, 1)


@given(SHARES, SHARES, SIZES)
def test_a_rectangle_holds_what_lies_between_its_sides(x, y, size):
    width, height = size
    box = feet(x, y, width, height)
    u, v = float(box[0] + box[2]) / 2 / width, float(box[3]) / height
    assume(all(abs(one - edge) > 1e-9 for one, edge in ((u, 0.25), (u, 0.75), (v, 0.25), (v, 0.75))))
    expected = 0.25 < u < 0.75 and 0.25 < v < 0.75
    assert bool(zones(square=SQUARE).containing(box, width, height)) == expected


@given(SHARES, SHARES, st.integers(0, 3), st.booleans())
def test_where_the_corners_begin_and_which_way_they_go_does_not_matter(x, y, first, backwards):
    points = [*ARROW[first:], *ARROW[:first]]
    other = zones(arrow=points[::-1] if backwards else points)
    assert other.containing(feet(x, y), 640, 480) == zones(arrow=ARROW).containing(feet(x, y), 640, 480)


@given(SHARES, SHARES)
def test_a_zone_and_the_rest_of_the_image_share_no_person(x, y):
    assume(abs(float(feet(x, y)[3]) / 480 - 0.5) > 1e-9)
    upper = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)]
    assert len(zones(upper=upper, lower=LOWER).containing(feet(x, y), 640, 480)) == 1


# --- by the box ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "touched"),
    [
        ((0.3, 0.3, 0.5, 0.5), True),  # in it
        ((0.1, 0.1, 0.9, 0.9), True),  # around it
        ((0.1, 0.4, 0.3, 0.6), True),  # over its left side
        ((0.4, 0.0, 0.6, 0.3), True),  # over its upper side, feet in it
        ((0.4, 0.7, 0.6, 1.0), True),  # over its lower side, feet below it
        ((0.0, 0.45, 1.0, 0.55), True),  # through it, no corner of one in the other
        ((0.45, 0.0, 0.55, 1.0), True),
        ((0.75, 0.75, 0.9, 0.9), True),  # a corner on a corner
        ((0.76, 0.3, 0.9, 0.6), False),  # beside
        ((0.0, 0.0, 1.0, 0.24), False),  # above
    ],
)
def test_any_part_of_the_box(box, touched):
    by_box = ZoneMap({"square": Zone(points=tuple(SQUARE), test="box")})
    pixels = np.array(box, np.float32) * 1000
    assert bool(by_box.containing(pixels, 1000, 1000)) == touched


@given(SHARES, SHARES, SHARES, SHARES)
def test_a_box_touches_a_zone_where_a_point_of_it_is_in_it(x, y, u, v):
    polygon = np.array(ARROW)
    box = np.array([min(x, u), min(y, v), max(x, u), max(y, v)])
    across, down = np.linspace(box[0], box[2], 9), np.linspace(box[1], box[3], 9)
    if any(contains(polygon, float(a), float(b)) for a in across for b in down):
        assert touches(polygon, box)
    middle = (box[:2] + box[2:]) / 2
    assert touches(polygon, np.concatenate([middle, middle])) == contains(polygon, *middle.tolist())


# --- inertia ---------------------------------------------------------------------------------------------


def stay(inside: str, inertia: float = 0.3, every: float = 0.1) -> str:
    """x for each frame in which somebody counts as in the zone; `inside` has one where the feet are."""
    zone = Zone(points=tuple(SQUARE), inertia=inertia)
    presence = ZonePresence({"square": zone, "other": Zone(points=tuple(LOWER))})
    found = ""
    for n, mark in enumerate(inside):
        zones_ = presence.update("a", ("square", "other") if mark == "x" else (), n * every)
        assert ("other" in zones_) == (mark == "x")  # has no inertia
        found += "x" if "square" in zones_ else "."
    return found


@pytest.mark.parametrize(
    ("inside", "counts"),
    [
        ("..xxxxxx......", ".....xxxxxx..."),
        ("xx.xx.xx.xxxxx", "............xx"),  # never long enough before
        ("xxxxxx.xx..xxx", "...xxxxxxxxxxx"),  # never out for long enough
        ("x..............", "..............."),
    ],
)
def test_inertia_takes_time_to_come_in_and_to_go_out(inside, counts):
    assert stay(inside) == counts


def test_without_inertia_everything_counts_at_once():
    assert stay("x.xx..x", inertia=0.0) == "x.xx..x"


def test_inertia_goes_on_under_another_name_and_is_forgotten():
    presence = ZonePresence({"square": Zone(points=tuple(SQUARE), inertia=1.0)})
    presence.update("a", ("square",), 0.0)
    presence.rename({"a": "b"})
    assert presence.update("b", ("square",), 1.0) == ("square",)
    presence.drop(["b"])
    assert presence.update("b", ("square",), 2.0) == ()
