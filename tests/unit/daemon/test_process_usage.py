"""CPU and memory of this very process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from daemon.process_usage import ProcessUsage, give_back_memory, resident_bytes


def test_resident_memory_is_what_the_system_says():
    pages = np.ones(64 * 2**20, np.uint8)  # touched, so that it is resident
    assert resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert pages[-1] == 1


def test_cpu_is_counted_from_reading_to_reading():
    usage = ProcessUsage(span=0.1)
    start, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        sum(range(1000))
    busy = usage.figures().cpu
    expected = (time.process_time() - used) / (time.monotonic() - start)
    assert busy == pytest.approx(expected, abs=0.15)
    assert usage.figures().cpu >= 0.0


def test_who_reads_often_does_not_disturb_who_reads_seldom():
    usage = ProcessUsage(span=30.0)
    used = time.process_time()
    while time.process_time() - used < 0.3:
        sum(range(1000))
    for _ in range(20):
        assert usage.figures().cpu > 0.0  # not of the moment since the last reading


def test_threads_and_files_are_what_the_system_says():
    process = psutil.Process()
    with Path(__file__).open() as _:
        figures = ProcessUsage().figures()
        assert figures.files == process.num_fds() - 1  # psutil counts the one that it counts with
        assert figures.threads == process.num_threads()
    assert ProcessUsage().figures().files == process.num_fds() - 1


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_memory_that_was_freed_between_what_is_in_use_goes_back() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    pieces = [library.malloc(50_000) for _ in range(4000)]
    for piece in pieces:
        ctypes.memset(piece, 1, 50_000)
    for piece in pieces[:-1]:
        library.free(piece)
    before = resident_bytes()
    give_back_memory()
    after = resident_bytes()
    library.free(pieces[-1])
    assert before is not None
    assert after is not None
    assert before - after > 100_000_000


_IN_MANY_THREADS = """
import ctypes, threading
from daemon.process_usage import share_memory
share_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(8)
def take():
    barrier.wait()
    library.malloc(1000)
    barrier.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
library.fopen.restype = ctypes.c_void_p
library.fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
library.fclose.argtypes = [ctypes.c_void_p]
library.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
file = library.fopen(b"/dev/stdout", b"w")
library.malloc_info(0, file)
library.fclose(file)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
@pytest.mark.parametrize(("own", "arenas"), [(None, 2), ("5", 5)])
def test_many_threads_take_memory_from_few_places(own: str | None, arenas: int) -> None:
    surroundings = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    surroundings |= {} if own is None else {"MALLOC_ARENA_MAX": own}
    done = subprocess.run(
        [sys.executable, "-c", _IN_MANY_THREADS], capture_output=True, text=True, check=True, env=surroundings
    )
    assert done.stdout.count("<heap nr=") == arenas
