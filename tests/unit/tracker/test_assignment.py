"""The solver of assignments, loaded without the package that it comes in."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.optimize

from tracker.assignment import linear_sum_assignment


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (7, 3), (20, 20), (0, 4)])
def test_it_solves_as_scipy_does(shape, maximize):
    for seed in range(20):
        gain = np.random.default_rng(seed).normal(size=shape)
        rows, columns = linear_sum_assignment(gain, maximize=maximize)
        expected = scipy.optimize.linear_sum_assignment(gain, maximize=maximize)
        assert np.array_equal(rows, expected[0])
        assert np.array_equal(columns, expected[1])


def test_what_cannot_be_solved_is_an_error():
    with pytest.raises(ValueError, match="invalid"):
        linear_sum_assignment(np.array([[np.nan]]))


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_the_daemon_does_not_load_all_of_scipy():
    program = "import sys, daemon.service; print(*[name for name in sys.modules if name.startswith('scipy')])"
    assert run(program).split() == []


PROGRAM = """
import importlib.machinery, sys, numpy
create = importlib.machinery.ExtensionFileLoader.create_module
def fail(self, spec):
    if spec.name == "_lsap":
        raise ImportError("of another kind")
    return create(self, spec)
{trouble}
from tracker.assignment import linear_sum_assignment
print(linear_sum_assignment(numpy.eye(3)[::-1], maximize=True)[1].tolist(), "scipy.optimize" in sys.modules)
"""


@pytest.mark.parametrize(
    ("trouble", "whole"),
    [
        ("", False),
        ("import scipy.optimize", True),
        ("importlib.machinery.ExtensionFileLoader.create_module = fail", True),
    ],
)
def test_the_package_is_taken_where_it_is_there_or_its_module_cannot_be_loaded(trouble, whole):
    assert run(PROGRAM.format(trouble=trouble)).strip() == f"[2, 1, 0] {whole}"
