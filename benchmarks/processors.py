"""How busy the processors are with other programs: a measurement next to a busy neighbour is worth little."""

import math
import os
import time
from pathlib import Path


def load_average() -> float | None:
    """Mean number of runnable processes over the last minute, ours included; None if the system does not report it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def others_s(stat: Path = Path("/proc/stat")) -> float:
    """Processor seconds since boot that other processes used, or that the hypervisor took away (steal).

    NaN if the system does not report it. Source: proc(5), /proc/stat.
    """
    if not stat.exists():
        return math.nan
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split(maxsplit=9)[1:9])
    busy_s = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return busy_s - time.process_time()


def others_share(others_s: float, wall_s: float) -> float | None:
    """Share (0 to 1) of all processors' time that other processes used during `wall_s` seconds.

    None if it is unknown or nothing was measured. /proc/stat counts whole clock ticks and our own time is exact, so the
    difference may come out slightly negative; that reads as 0.
    """
    if not wall_s or math.isnan(others_s):
        return None
    return max(0.0, round(others_s / (wall_s * (os.cpu_count() or 1)), 3))
