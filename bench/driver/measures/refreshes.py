"""Refreshes: Latchkey, which writes each to disk before it answers, compared with better-auth, which reads the session and writes
it when an update is due."""

from contextlib import ExitStack

from ..latchkey import Latchkey, refreshing
from ..load import Ask, run, values
from ..others import BetterAuth
from ..rounds import each, interleave, ratios
from ..rows import Result, Row
from ..settings import PASSWORD, PORT, ROUNDS, SECONDS
from .protected import bearer, table

# The limit is 300 refreshes per session in a row, so there are enough sessions for 20,000 refreshes per second.
SESSIONS = max(200, int(20_000 * (SECONDS * ROUNDS + 1) / 250))


def measure():
    with ExitStack() as started:
        ours = Latchkey("latchkey", PORT)
        tokens = ours.make_sessions(SESSIONS)
        started.enter_context(ours)
        theirs = {
            "better-auth, session read": BetterAuth("better-auth", PORT + 1, "delete"),
            "better-auth, session read, WAL": BetterAuth("better-auth wal", PORT + 2, "wal"),
            "better-auth, session refreshed": BetterAuth("better-auth refresh", PORT + 3, "delete", update_age=0),
            "better-auth, session refreshed, WAL": BetterAuth("better-auth refresh wal", PORT + 4, "wal", update_age=0),
        }
        access = bearer(ours.refresh_once(tokens, 100))
        turns = {"Latchkey, session checked": lambda: run(ours, access), "Latchkey, session refreshed": lambda: run(ours, refreshing(tokens))}
        for name, server in theirs.items():
            started.enter_context(server)
            cookies = values(f"{server.name}.cookies".replace(" ", "-"), [server.sign_up(number) for number in range(50)])
            ask = Ask("/api/auth/get-session", headers=["Cookie: {}"], values=cookies)
            run(server, ask, seconds=0.5)
            turns[name] = lambda server=server, ask=ask: run(server, ask)
        plain = theirs["better-auth, session read"]
        emails = values("emails", [f"user{number}@example.org" for number in range(50)])
        form = Ask(
            "/api/auth/sign-in/email", "POST", ["Content-Type: application/json", f"Origin: http://{plain.host}"],
            '{"email":"{}","password":"' + PASSWORD + '"}', values=emails, connections=8,
        )
        turns["better-auth, signed in"] = lambda: run(plain, form)
        samples = interleave(turns)
    refreshed, checked = "Latchkey, session refreshed", "Latchkey, session checked"
    return Result(
        [
            Row("refreshes a second, durable, 32 clients", each(samples, refreshed, "rate"), "", at_least=5000),
            Row("refreshes a second: by better-auth's in WAL", ratios(samples, refreshed, "better-auth, session refreshed, WAL", "rate"), at_least=12),
            Row("refreshes a second: by better-auth's as it comes", ratios(samples, refreshed, "better-auth, session refreshed", "rate"), at_least=25),
            Row("session checks a second: by better-auth's in WAL", ratios(samples, checked, "better-auth, session read, WAL", "rate")),
        ],
        [
            "better-auth's defaults: a session of seven days, read from the database each time, and written once it is a day "
            "old (`updateAge`). Its refresh is that with `updateAge: 0`, the rate limit off. In WAL its SQLite "
            "syncs at checkpoints only; ours syncs each commit.",
            table(samples),
        ],
    )

