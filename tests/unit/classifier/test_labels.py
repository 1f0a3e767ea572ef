"""Names of files and what label they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.labels import DEFAULT_LABELS, normalise_label


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
