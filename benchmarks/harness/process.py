"""Runs a program and takes its measure."""

import dataclasses
import os
import subprocess
import sys
import tempfile
import time


@dataclasses.dataclass(frozen=True)
class Taken:
    """What one run took."""

    wall_s: float
    cpu_s: float  # user and system, all threads
    peak_mib: float  # largest resident set
    printed: str


class Failed(Exception):
    """A program that ended with an error."""


def run(command, environment=None):
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=printed, stderr=errors, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        # Popen would wait for it once more.
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failed(f"{' '.join(map(str, command))}\n{text_of(errors)[-2000:]}")
        # Linux counts in KiB, macOS in bytes.
        kibibytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
        return Taken(seconds, usage.ru_utime + usage.ru_stime, kibibytes / 1024, text_of(printed))


def text_of(file):
    file.seek(0)
    return file.read().decode(errors="replace")
