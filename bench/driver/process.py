"""Servers: starts them on their own cores, measures them from outside, and stops them."""

import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from .settings import DATA, SERVER

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Something could not be measured."""


class Server:
    """A program that listens on a port. It may run on `cores` only."""

    def __init__(self, name, command, port, cores=None, env=None, cwd=None, ready="/"):
        self.name, self.port, self.ready = name, port, ready
        self.host = f"localhost:{port}"
        self.command = [str(word) for word in command]
        self.cores = [SERVER] if cores is None else cores
        self.env = {**os.environ, **{key: str(value) for key, value in (env or {}).items()}}
        self.cwd = cwd
        self.process = None

    def __enter__(self):
        self.start()
        self.wait()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                raise Failed(f"port {self.port} is in use (BENCH_PORT moves all of them)")
        DATA.mkdir(parents=True, exist_ok=True)
        self.log = DATA / f"{self.name.replace(' ', '-').replace('/', '-')}.log"
        cores = set(self.cores)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    def wait(self):
        """Waits until the server gives any answer."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                self.ask("GET", self.ready)
                return
            except OSError:
                time.sleep(0.02)
        raise Failed(f"{self.name} did not start: {self.log.read_text(errors='replace')[-500:]}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, method, path, body=None, headers=None):
        """Sends a request. Returns status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Host": self.host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def cpu(self):
        return cpu(self.process.pid)

    def memory(self):
        """Returns the resident memory in MB, including child processes."""
        total = 0
        for pid in family(self.process.pid):
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(status.split("VmRSS:")[1].split()[0])
        return total * 1024 / 1e6


def cpu(pid):
    """Returns the user and system time so far of a process and its descendants, in seconds."""
    total = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def family(pid):
    """Returns the ids of a process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found
