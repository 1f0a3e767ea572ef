"""Names of files and what label they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.labels import DEFAULT_LABELS, mirror_pairs, normalise_label


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("WALKING", "walking"),
        ("JUMPING JACKS", "jumping_jacks"),
        ("JUMPING_JACKS", "jumping_jacks"),
        ("Punching-Kicking", "punching_kicking"),
        ("  take 2 ", "take_2"),
        ("__falling__", "falling"),
        ("!?", ""),  # nothing to name it by: the caller refuses it
    ],
)
def test_labels_of_names(name, label):
    assert normalise_label(name) == label


@given(st.text(max_size=40))
def test_a_label_stands_for_itself(name):
    label = normalise_label(name)
    assert normalise_label(label) == label
    assert set(label) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


def test_the_default_labels_are_labels():
    assert [normalise_label(label) for label in DEFAULT_LABELS] == list(DEFAULT_LABELS)
    assert len(set(DEFAULT_LABELS)) == len(DEFAULT_LABELS)


@pytest.mark.parametrize(
    ("labels", "swaps", "images"),
    [
        (("left_swing", "right_swing", "sit"), (), (1, 0, 2)),
        (("wave_right", "wave_left"), (), (1, 0)),  # wherever the word stands
        (("left_swing", "both_swing"), (), (-1, 1)),  # no right swing: a mirrored left one is none
        (("bright_lights", "upright"), (), (0, 1)),  # not a side
        (("cw", "ccw", "sit"), (("ccw", "cw"),), (1, 0, 2)),
        (("left_swing", "sit"), (("left_swing", "left_swing"),), (0, 1)),  # on one's own word
        ((), (), ()),
    ],
)
def test_mirror_images_of_labels(labels, swaps, images):
    assert mirror_pairs(labels, swaps) == images


@pytest.mark.parametrize("swaps", [(("cw", "nobody"),), (("cw", "ccw"), ("sit", "cw"))])
def test_swaps_that_cannot_be_are_refused(swaps):
    with pytest.raises(ValueError, match="swap"):
        mirror_pairs(("cw", "ccw", "sit"), swaps)


@given(st.lists(st.text("lefright_ab", min_size=1, max_size=12), unique=True, max_size=8))
def test_the_mirror_image_of_the_mirror_image_is_the_label(labels):
    images = mirror_pairs(labels)
    assert all(image < 0 or images[image] == number for number, image in enumerate(images))
