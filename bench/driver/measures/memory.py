"""Resident memory: idle, after sign-ins, with many sessions that are used."""

import time

from ..latchkey import Latchkey, signing_in
from ..load import run, values
from ..rows import Result, Row
from ..settings import CORES, PORT
from .protected import bearer

SESSIONS = 100_000
# How long the server is left alone before its memory is read.
IDLE = 10


def measure():
    rows = []
    with Latchkey("latchkey", PORT, CORES, users=200, settings={"TRUSTED_PROXIES": "127.0.0.1/32"}) as ours:
        ours.ask("GET", "/login")
        rows.append(Row("resident memory, idle", idle(ours), "MB", at_most=25))
        run(ours, signing_in(values("names", ours.users), 200), count=200)
        rows.append(Row(f"resident memory, {IDLE} seconds after 200 sign-ins at once", idle(ours), "MB", at_most=25))
    ours = Latchkey("latchkey", PORT, CORES, users=1000)
    tokens = ours.make_sessions(SESSIONS)
    with ours:
        access = bearer(ours.refresh_once(tokens, SESSIONS))
        run(ours, access, count=SESSIONS)
        rows.append(Row("resident memory, 100,000 live sessions, each refreshed and used", idle(ours), "MB", at_most=60))
    return Result(rows)


def idle(server):
    time.sleep(IDLE)
    readings = []
    for _ in range(5):
        readings.append(server.memory())
        time.sleep(0.2)
    return readings
