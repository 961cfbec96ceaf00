"""How much more memory this process may allocate."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int:
    """Bytes that the system can give without swapping, or what is left of the container's cgroup limit if less."""
    available = _of_system(meminfo)
    try:
        limit, used = (cgroup / "memory.max").read_text().strip(), (cgroup / "memory.current").read_text()
    except OSError:
        return available
    return available if limit == "max" else max(0, min(available, int(limit) - int(used)))


def _of_system(meminfo: Path) -> int:
    try:
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
    except OSError:  # not Linux: half of the physical memory
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return int(fields["MemAvailable"].split()[0]) * 1024
