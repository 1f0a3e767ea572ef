"""Calls of several threads at the same time become one, and each thread gets what is its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tracker.batching import BatchingSession
from tracker.runtime import Session, create_session

TABLE = np.arange(10, dtype=np.float32) * 2


def model(*, batch: object = "batch", first_only: bool = False) -> Session:
    """Twice the number in `TABLE`'s place: (batch, 2) places in, (batch, 2) out; a place of 10 fails."""
    nodes = [helper.make_node("Gather", ["table", "places"], ["found"], axis=0)]
    if first_only:  # one row for all, though the model says otherwise
        nodes.append(helper.make_node("Compress", ["found", "first"], ["twice"], axis=0))
    else:
        nodes.append(helper.make_node("Identity", ["found"], ["twice"]))
    constants = [
        helper.make_tensor("table", TensorProto.FLOAT, [10], TABLE),
        helper.make_tensor("first", TensorProto.BOOL, [1], [True]),
    ]
    graph = helper.make_graph(
        nodes,
        "double",
        [helper.make_tensor_value_info("places", TensorProto.INT64, [batch, "columns"])],
        [helper.make_tensor_value_info("twice", TensorProto.FLOAT, [batch, "columns"])],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return create_session(made.SerializeToString())


class Gate:
    """A network whose calls wait until they are let through; it notes the rows of each."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs
        self.get_modelmeta = session.get_modelmeta
        self.entered, self.opened = threading.Event(), threading.Event()
        self.rows: list[int] = []
        self.dies: BaseException | None = None

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[Any]:
        self.rows.append(len(input_feed["places"]))
        self.entered.set()
        assert self.opened.wait(60)
        if self.dies is not None and len(self.rows) > 1:
            raise self.dies
        return self._session.run(output_names, input_feed)


def places(*values: int, columns: int = 2) -> dict[str, Any]:
    return {"places": np.repeat(np.array(values, np.int64)[:, None], columns, axis=1)}


def wait_for_requests(batching: BatchingSession, count: int) -> None:
    until = time.monotonic() + 60
    while batching.requests < count:
        assert time.monotonic() < until
        time.sleep(0.001)


def behind_the_gate(
    gate: Gate,
    batching: BatchingSession,
    later: Sequence[dict[str, Any]],
) -> tuple[Future[list[Any]], list[Future[list[Any]]]]:
    """One call that is held up, and others that come meanwhile."""
    with ThreadPoolExecutor(1 + len(later)) as threads:
        first = threads.submit(batching.run, None, places(0))
        assert gate.entered.wait(60)
        others = []
        for number, inputs in enumerate(later, start=2):
            others.append(threads.submit(batching.run, None, inputs))
            wait_for_requests(batching, number)
        gate.opened.set()
    return first, others


def test_what_comes_while_the_network_runs_is_one_call():
    gate = Gate(model())
    batching = BatchingSession(gate)
    first, others = behind_the_gate(gate, batching, [places(1), places(2, 3), places(4)])
    assert gate.rows == [1, 4]
    assert (batching.calls, batching.requests) == (2, 4)
    assert first.result()[0].tolist() == [[0, 0]]
    assert [one.result()[0].tolist() for one in others] == [[[2, 2]], [[4, 4], [6, 6]], [[8, 8]]]


def test_a_call_takes_no_more_rows_than_the_most():
    gate = Gate(model())
    _, others = behind_the_gate(gate, BatchingSession(gate, most=3), [places(1, 1)] * 4)
    assert gate.rows == [1, 2, 2, 2, 2]
    assert all(one.result()[0].tolist() == [[2, 2], [2, 2]] for one in others)


def test_what_fails_is_the_request_that_makes_it_fail():
    gate = Gate(model())
    _, others = behind_the_gate(gate, BatchingSession(gate), [places(1), places(10), places(3)])
    good, bad, also_good = others
    assert good.result()[0].tolist() == [[2, 2]]
    assert also_good.result()[0].tolist() == [[6, 6]]
    with pytest.raises(Exception, match="indices element out of data bounds"):
        bad.result()


def test_inputs_of_another_shape_have_a_call_of_their_own():
    gate = Gate(model())
    wide = places(5, columns=7)
    _, others = behind_the_gate(gate, BatchingSession(gate), [places(1), wide, places(3)])
    assert gate.rows == [1, 2, 1]
    assert [one.result()[0].tolist() for one in others] == [[[2, 2]], [[10] * 7], [[6, 6]]]


def test_a_thread_that_is_alone_never_waits():
    batching = BatchingSession(model(), window=600.0)  # the test's own time limit is less
    for value in range(10):
        assert batching.run(["twice"], places(value))[0].tolist() == [[2 * value] * 2]
    assert batching.calls == 10


def test_a_partner_that_has_gone_is_waited_for_once():
    gate = Gate(model())
    batching = BatchingSession(gate, window=0.01)
    behind_the_gate(gate, batching, [places(1), places(2)])
    for value in (3, 4):  # the first of these waits a window, in vain
        assert batching.run(None, places(value))[0].tolist() == [[2 * value] * 2]
    patient = BatchingSession(gate, window=600.0)
    patient._partners = batching._partners  # nobody but this thread
    assert patient.run(None, places(5))[0].tolist() == [[10, 10]]


def test_a_model_of_one_image_is_called_one_by_one():
    gate = Gate(model(batch=1))
    gate.opened.set()
    batching = BatchingSession(gate)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda value: batching.run(None, places(value))[0].tolist(), range(10)))
    assert found == [[[2 * value] * 2] for value in range(10)]
    assert gate.rows == [1] * 10


def test_a_model_that_gives_other_rows_than_it_says_is_called_one_by_one():
    gate = Gate(model(first_only=True))
    batching = BatchingSession(gate)
    _, others = behind_the_gate(gate, batching, [places(1), places(2)])
    assert [one.result()[0].tolist() for one in others] == [[[2, 2]], [[4, 4]]]
    assert gate.rows == [1, 2, 1, 1]
    batching.run(None, places(3))
    assert gate.rows[4:] == [1]


def test_whoever_leads_may_die_and_nobody_waits_for_ever():
    gate = Gate(model())
    gate.dies = SystemExit("stopped")
    _, others = behind_the_gate(gate, BatchingSession(gate), [places(1), places(2)])
    for one in others:
        with pytest.raises(SystemExit):
            one.result()


def test_many_threads_of_all_kinds_get_what_is_theirs():
    batching, wrong = BatchingSession(model(), window=0.0005, most=6), list[str]()

    def work(seed: int) -> int:
        random = np.random.default_rng(seed)
        for _ in range(150):
            values = random.integers(0, 10, random.integers(1, 5))
            columns = int(random.integers(1, 3))
            spoilt = random.random() < 0.1
            given = places(*values, *([10] if spoilt else []), columns=columns)
            try:
                found = batching.run(None, given)[0]
            except Exception as error:
                if not spoilt:
                    wrong.append(f"failed for another: {error}")
                continue
            if spoilt or found.tolist() != [[2 * value] * columns for value in values]:
                wrong.append(f"{values} gave {found}")
        return seed

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == list(range(8))
    assert wrong == []
    assert batching.requests == 8 * 150
    assert batching.calls < batching.requests
