"""Describes the machine and the versions of the software."""

import json
import os
import platform
import re
import statistics
import subprocess
import time
from pathlib import Path

from .settings import BENCH, CLIENTS, CORES, DATA, LOAD, ROOT, ROUNDS, SECONDS, SERVER, chromium


def today():
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def shape():
    """Returns a one-sentence description of the machine."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", text)
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return (
        f"{len(CORES)} cores ({model[1] if model else platform.machine()}), {memory:.0f} GiB of memory, "
        f"Linux {platform.release()}"
    )


def others():
    """Returns the share of the machine that other programs use, which causes the noise."""
    before = busy()
    time.sleep(2)
    return (busy() - before) / 2 / len(CORES)


def busy():
    """Returns the time so far that all cores together were not idle, in seconds."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3:5]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def disk():
    """Returns how long an fsync takes on the disk of the databases, in milliseconds. A durable write waits for it."""
    DATA.mkdir(parents=True, exist_ok=True)
    file = DATA / "fsync"
    times = []
    with open(file, "wb", buffering=0) as out:
        for _ in range(200):
            out.write(bytes(4096))
            begun = time.perf_counter()
            os.fsync(out.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    file.unlink()
    return statistics.median(times)


def settings():
    return (
        f"servers on core {SERVER}, load on core {LOAD}, {CLIENTS} connections, "
        f"{ROUNDS} rounds of {SECONDS:g} seconds each; an fsync of 4 KiB beside the databases takes {disk():.2f} ms"
    )


def versions():
    """Returns the versions of all programs and libraries involved."""
    return {
        "Latchkey": git("describe", "--always", "--dirty"),
        "Rust": said("rustc", "--version").split()[1],
        **locked(BENCH / "Cargo.lock", "axum", "hyper", "jsonwebtoken", "argon2", "tokio"),
        **locked(BENCH / "template" / "Cargo.lock", "leptos", "leptos_axum", "leptos_router", "leptos_meta", "wasm-bindgen"),
        "Python": platform.python_version(),
        **required("fastapi", "uvicorn", "uvloop", "httptools", "python-jose", "PyJWT", "passlib", "bcrypt", "argon2-cffi"),
        "Node": said("node", "--version").lstrip("v"),
        **packages("better-auth", "better-auth", "better-sqlite3"),
        **packages("browser", "lighthouse", "puppeteer-core"),
        "Chromium": re.search(r"[\d.]{5,}", said(chromium(), "--version") + "0.0.0")[0],
    }


def said(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()


def git(*words):
    return said("git", "-C", str(ROOT), *words) or "?"


def locked(file, *names):
    text = file.read_text()
    return {name: re.search(rf'name = "{name}"\nversion = "([^"]+)"', text)[1] for name in names}


def required(*names):
    text = (BENCH / "tutorial" / "requirements.txt").read_text()
    return {name: re.search(rf"^{name}==(.+)$", text, re.M)[1] for name in names}


def packages(folder, *names):
    lock = json.loads((BENCH / folder / "package-lock.json").read_text())["packages"]
    return {name: lock[f"node_modules/{name}"]["version"] for name in names}
