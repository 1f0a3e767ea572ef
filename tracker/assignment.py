"""SciPy's solver of assignments, without the rest of `scipy.optimize`.

The package loads two hundred modules for it: 45 MB and a quarter of a second, in a daemon that needs nothing
else of them. The solver is one compiled module that needs NumPy only (Crouse 2016, On implementing 2D
rectangular assignment algorithms). Where a version of SciPy keeps it elsewhere, the package is imported.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["linear_sum_assignment"]

_NAME = "_lsap"

Rows = NDArray[np.intp]
Solver = Callable[[NDArray[np.float64], bool], tuple[Rows, Rows]]


def _solver() -> Solver:
    """The compiled function, or the package's."""
    if "scipy.optimize" not in sys.modules:
        package = importlib.util.find_spec("scipy")  # finds it, and does not import it
        for folder in (package and package.submodule_search_locations) or ():
            finder = importlib.machinery.FileFinder(
                str(Path(folder) / "optimize"),
                (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
            )
            found = _load(finder.find_spec(_NAME))
            if found is not None:
                return found
    from scipy.optimize import linear_sum_assignment

    return cast("Solver", linear_sum_assignment)


def _load(spec: importlib.machinery.ModuleSpec | None) -> Solver | None:
    if spec is None or spec.loader is None:
        return None
    try:
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return cast("Solver", module.linear_sum_assignment)
    except (ImportError, AttributeError):
        return None


_solve = _solver()


def linear_sum_assignment(gain: NDArray[np.float64], *, maximize: bool = False) -> tuple[Rows, Rows]:
    """Rows and columns of the pairs with the least, or the largest, total; see SciPy's of that name."""
    return _solve(gain, maximize)
