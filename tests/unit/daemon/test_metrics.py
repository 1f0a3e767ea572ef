"""Metrics as Prometheus reads them, and the same figures in the statistics message."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from prometheus_client.parser import text_string_to_metric_families
from service_figures import camera_figures, service_figures

from daemon.figures import ConfigFigures, MqttFigures, ProcessFigures, ServiceFigures
from daemon.health.metrics import MetricsPage
from daemon.health.stats import stats_payload
from daemon.messages import Message
from daemon.timing import LATENCY_BUCKETS, Histogram
from daemon.topics import Topics


def page(figures: ServiceFigures) -> str:
    return MetricsPage().render(figures).decode()


def samples(figures: ServiceFigures) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page(figures))
        for sample in family.samples
    }


def value(figures: ServiceFigures, metric: str, /, **labels: str) -> float | None:
    return samples(figures).get((metric, frozenset(labels.items())))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("posewatch_camera_frames_received_total", 160),
        ("posewatch_camera_frames_processed_total", 150),
        ("posewatch_camera_frames_dropped_total", 9),
        ("posewatch_camera_frames_damaged_total", 1),
        ("posewatch_camera_reconnects_total", 2),
        ("posewatch_camera_errors_total", 3),
        ("posewatch_camera_restarts_total", 4),
        ("posewatch_camera_fps_received", 15.1),
        ("posewatch_camera_fps_processed", 14.9),
        ("posewatch_camera_people", 2),
        ("posewatch_camera_alerts", 0),
        ("posewatch_camera_enabled", 1),
        ("posewatch_camera_overloaded", 0),
        ("posewatch_camera_frame_age_seconds", 0.06),
        ("posewatch_camera_latency_seconds_count", 100),
    ],
)
def test_figures_of_a_camera(name, expected):
    assert value(service_figures(), name, camera="door") == expected


def test_an_overload_and_how_near_it_is():
    figures = service_figures(camera_figures("door", overloaded=True), camera_figures("yard"), load=0.97)
    assert value(figures, "posewatch_camera_overloaded", camera="door") == 1
    assert value(figures, "posewatch_camera_overloaded", camera="yard") == 0
    assert value(figures, "posewatch_load_ratio") == 0.97
    payload = stats_payload(figures)
    assert payload["overloaded"] is True
    assert [camera["overloaded"] for camera in payload["cameras"].values()] == [True, False]
    assert payload["workers"]["load"] == 0.97
    assert stats_payload(service_figures())["overloaded"] is False


def test_figures_of_the_service():
    figures = service_figures(
        hung=("worker-1",),
        mqtt=MqttFigures(True, False, 17, 3, 5),
        config=ConfigFigures("invalid", "line 3", 10.0, 2),
        storage_state="degraded",
        profile="night",
        process=ProcessFigures(1.5, 1, 30, 2),
        ready=False,
    )
    expected = {
        "ready": 0,
        "hung": 1,
        "workers": 2,
        "workers_busy": 1,
        "threads": 30,
        "mqtt_connected": 0,
        "mqtt_enabled": 1,
        "mqtt_queued_messages": 17,
        "mqtt_dropped_messages_total": 3,
        "mqtt_commands_ignored_total": 5,
        "config_valid": 0,
        "config_reloads_total": 2,
        "storage_degraded": 1,
    }
    assert {name: value(figures, f"posewatch_{name}") for name in expected} == expected
    assert value(figures, "posewatch_profile_info", profile="night") == 1
    assert value(figures, "posewatch_build_info", version="0.1.0") == 1
    assert "line 3" not in page(figures)  # texts of files are no labels


def test_a_state_has_one_sample_of_each():
    figures = service_figures(camera_figures(state="stalled", reason="timeout", tamper="covered"))
    states = {state: value(figures, "posewatch_camera_state", camera="door", state=state)
              for state in ("streaming", "connecting", "stalled", "disabled")}  # fmt: skip
    assert states == {"streaming": 0, "connecting": 0, "stalled": 1, "disabled": 0}
    assert value(figures, "posewatch_camera_fault", camera="door", reason="timeout") == 1
    assert value(figures, "posewatch_camera_tamper", camera="door", kind="covered") == 1
    assert value(
        service_figures(camera_figures(state="new")), "posewatch_camera_state", camera="door", state="new"
    )


def test_alerts_stages_and_models():
    figures = service_figures(camera_figures(alerts=("fall",)))
    assert value(figures, "posewatch_camera_alert", camera="door", rule="fall") == 1
    assert value(figures, "posewatch_camera_stage_seconds_sum", camera="door", stage="pose") == 1.2
    assert value(figures, "posewatch_camera_stage_seconds_count", camera="door", stage="pose") == 140
    model = {"camera": "door", "kind": "pose", "name": "pose_full", "sha256": "80ded69084ae"}
    assert value(figures, "posewatch_model_info", **model) == 1


def test_the_histogram_is_cumulative():
    counts = tuple(range(1, len(LATENCY_BUCKETS) + 2))
    figures = service_figures(camera_figures(latency=Histogram(counts, 12.5)))
    found = [
        (float(sample.labels["le"]), sample.value)
        for family in text_string_to_metric_families(page(figures))
        for sample in family.samples
        if sample.name == "posewatch_camera_latency_seconds_bucket"
    ]
    assert [bound for bound, _ in found] == [*LATENCY_BUCKETS, math.inf]
    assert [count for _, count in found] == [sum(counts[: index + 1]) for index in range(len(counts))]
    assert value(figures, "posewatch_camera_latency_seconds_count", camera="door") == sum(counts)
    assert value(figures, "posewatch_camera_latency_seconds_sum", camera="door") == 12.5


def test_names_follow_the_conventions():
    families = list(text_string_to_metric_families(page(service_figures(camera_figures(tamper="moved")))))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert re.fullmatch(r"(posewatch|process)_[a-z0-9_]+", family.name)
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name
            assert (
                not sample.name.endswith(("_ms", "_mb", "_percent", "_seconds_total")) or "cpu" in sample.name
            )


def test_nothing_before_the_first_frame_is_made_up():
    fresh = camera_figures(frame_age=None, latency=Histogram(), stages={}, models={}, frames_processed=0)
    figures = service_figures(fresh, process=ProcessFigures(0.0, None, None, None))
    assert value(figures, "posewatch_camera_frame_age_seconds", camera="door") is None
    assert value(figures, "posewatch_threads") is None
    assert value(figures, "posewatch_camera_latency_seconds_count", camera="door") == 0


def test_counters_only_grow():
    """Whatever is a counter comes from a figure that never goes back."""
    more = camera_figures(frames_in=161, errors=4)
    before, after = samples(service_figures()), samples(service_figures(more))
    grown = {
        name for name, labels in before if after[name, labels] > before[name, labels] and "posewatch" in name
    }
    assert grown == {"posewatch_camera_frames_received_total", "posewatch_camera_errors_total"}


# ---- Statistics ----


def test_statistics_have_everything_that_their_schema_knows():
    figures = service_figures(hung=("worker-1",), config=ConfigFigures("invalid", "x", 0.0, 2))
    payload = stats_payload(figures)
    Message(Topics().stats(), payload)  # checked against the schema
    schema = json.loads((files("daemon") / "schemas" / "stats.json").read_text(encoding="utf-8"))
    assert set(payload) == set(schema["properties"])
    camera = schema["properties"]["cameras"]["additionalProperties"]
    assert set(payload["cameras"]["door"]) == set(camera["properties"])
    assert (set(schema["required"]), set(camera["required"])) == (set(payload), set(camera["properties"]))
    assert payload["config"] == {"state": "invalid", "reloads": 2}
    assert payload["hung"] == ["worker-1"]


def test_stages_are_means_of_a_frame_in_its_order():
    camera = stats_payload(service_figures())["cameras"]["door"]
    assert list(camera["stages_ms"].items()) == [
        ("detect", 12.0), ("track", 0.4), ("pose", 8.0), ("action", 2.0), ("report", 0.2)
    ]  # fmt: skip
    fresh = replace(camera_figures(), frames_processed=0)
    assert stats_payload(service_figures(fresh))["cameras"]["door"]["stages_ms"] == {}
