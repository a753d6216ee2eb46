"""Runs the load generator."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .process import Failed
from .settings import BUILT, CLIENTS, DATA, LOAD, SECONDS


@dataclass
class Ask:
    """A request that is sent to a server repeatedly."""

    path: str
    method: str = "GET"
    headers: list = field(default_factory=list)
    body: str = ""
    values: Path = None
    refresh: bool = False
    keep: Path = None
    connections: int = CLIENTS


@dataclass
class Sample:
    """The result of a run: good answers per second, CPU time of the server per answer in microseconds, and the 99th percentile of the
    response time in milliseconds."""

    rate: float
    cost: float
    p99: float
    good: int
    bad: int


def values(name, lines):
    """Writes a file of the values that differ from one request to the next. Returns its path."""
    DATA.mkdir(parents=True, exist_ok=True)
    file = DATA / name
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def command(server, ask, seconds=None, count=None):
    words = ["taskset", "-c", LOAD, BUILT / "load", "--to", f"127.0.0.1:{server.port}", "--path", ask.path]
    words += ["--method", ask.method, "--connections", ask.connections, "--header", f"Host: {server.host}"]
    for header in ask.headers:
        words += ["--header", header]
    for option in ("body", "values", "keep"):
        if getattr(ask, option):
            words += [f"--{option}", getattr(ask, option)]
    words += ["--refresh"] if ask.refresh else []
    words += ["--count", count] if count else ["--seconds", seconds or SECONDS]
    return [str(word) for word in words]


def run(server, ask, seconds=None, count=None, all_good=True):
    """Runs the load once. Returns a sample."""
    before = server.cpu()
    printed = subprocess.run(command(server, ask, seconds, count), stdout=subprocess.PIPE, check=True).stdout
    spent = server.cpu() - before
    return sample(server, json.loads(printed), spent, all_good)


def sample(server, result, spent=0.0, all_good=True):
    bad = result["bad"] + result["failed"]
    if (all_good and bad) or not result["good"]:
        raise Failed(f"{server.name}: {bad} answers that were not good, such as: {result['example']}")
    answers = result["good"] + result["bad"]
    return Sample(
        rate=result["good"] / result["seconds"], cost=spent * 1e6 / answers, p99=result["microseconds"]["p99"] / 1000,
        good=result["good"], bad=bad,
    )
