"""Resident memory: idle, after sign-ins, and with many sessions in use."""

import time

from ..latchkey import Latchkey, signing_in
from ..load import run, values
from ..rows import Result, Row
from ..settings import CORES, PORT, ROUNDS
from .protected import bearer

SESSIONS = 100_000
# Seconds for which the server is idle before its memory is read.
IDLE = 10


def measure():
    fresh, after = [], []
    for _ in range(min(ROUNDS, 3)):
        with Latchkey("latchkey", PORT, CORES, users=200, settings={"TRUSTED_PROXIES": "127.0.0.1/32"}) as ours:
            ours.ask("GET", "/login")
            fresh.append(idle(ours))
            run(ours, signing_in(values("names", ours.users), 200), count=200)
            after.append(idle(ours))
    ours = Latchkey("latchkey", PORT, CORES, users=1000)
    tokens = ours.make_sessions(SESSIONS)
    with ours:
        access = bearer(ours.refresh_once(tokens, SESSIONS))
        run(ours, access, count=SESSIONS)
        used = [idle(ours)]
    return Result(
        [
            Row("resident memory, idle", fresh, "MB", at_most=25),
            Row(f"resident memory, {IDLE} seconds after 200 sign-ins at once", after, "MB", at_most=30),
            Row("resident memory, 100,000 live sessions, each refreshed and used", used, "MB", at_most=60),
        ]
    )


def idle(server):
    time.sleep(IDLE)
    return server.memory()
