"""Paths, cores, ports, and how long to measure."""

import os
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
BUILT = BENCH / "target" / "release"
# On the disk of the clone, because /tmp may be a memory disk, where a sync costs nothing.
DATA = BENCH / "target" / "data"
RESULTS = BENCH / "target" / "results.json"
PAGE = ROOT / "docs" / "BENCHMARKS.md"
BINARY = ROOT / "target" / "release" / "latchkey"

SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
PORT = int(os.environ.get("BENCH_PORT", "3400"))
CLIENTS = 32

CORES = sorted(os.sched_getaffinity(0))
# The server has one core to itself, and the load has another one if there are at least two.
SERVER = CORES[0]
LOAD = CORES[-1]

PASSWORD = "quiet harbour lantern"


def chromium() -> str:
    """Returns the path of the Chromium that the browser tests use, or of Playwright's own if the machine has none."""
    script = 'console.log(require("@playwright/test").chromium.executablePath())'
    return tool("chromium") or subprocess.check_output(["node", "-e", script], cwd=ROOT / "end2end", text=True).strip()


def tool(name: str) -> str:
    """Returns the path of a tool that scripts/tools installed."""
    return subprocess.check_output([ROOT / "scripts" / "tools", name], text=True).strip()
