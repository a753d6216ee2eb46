"""PostgreSQL: the CPU time of a request on the node and on the database, to calculate how much of each is needed."""

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from ..latchkey import Latchkey, refreshing, signing_in
from ..load import run, values
from ..process import cpu
from ..rounds import interleave
from ..rows import Result, Row
from ..settings import PORT, ROOT
from .protected import bearer
from .refreshes import SESSIONS


class Postgres:
    """A temporary server. It syncs to disk, as a production server does."""

    def __enter__(self):
        env = {**os.environ, "SETTINGS": "fsync=on full_page_writes=on"}
        printed = subprocess.check_output([ROOT / "scripts" / "postgres", "new"], env=env, text=True)
        self.folder, self.url = printed.split()
        self.pid = int(Path(self.folder, "data", "postmaster.pid").read_text().split()[0])
        return self

    def __exit__(self, *_):
        subprocess.run([ROOT / "scripts" / "postgres", "remove", self.folder], check=True)


def measure():
    with Postgres() as database:
        ours = Latchkey("latchkey postgres", PORT, users=200, settings={"TRUSTED_PROXIES": "127.0.0.1/32"})
        tokens = ours.make_sessions(SESSIONS)
        # Latchkey refuses a password in a flag.
        url = urlsplit(database.url)
        to = url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl()
        ours.env |= {"PGPASSWORD": url.password}
        ours.tell("move", "--from", f"sqlite:{ours.data / 'latchkey.db'}", "--to", to)
        ours.env |= {"LATCHKEY_DATABASE_URL": database.url, "LATCHKEY_SECRET_FILE": str(ours.data / "secret")}
        with ours:
            access = bearer(ours.refresh_once(tokens, 100))
            asks = {
                "a verified token": access,
                "a refresh": refreshing(tokens),
                "a sign-in": signing_in(values("names", ours.users), 8),
            }
            samples = interleave({name: lambda ask=ask: both(ours, database, ask) for name, ask in asks.items()})
    rows = []
    for name, pairs in samples.items():
        rows.append(Row(f"{name}, on PostgreSQL: CPU time of the node", [node.cost for node, _ in pairs], "µs"))
        rows.append(Row(f"{name}, on PostgreSQL: CPU time of the database", [spent for _, spent in pairs], "µs"))
    rates = [node.rate for node, _ in samples["a refresh"]]
    return Result([*rows, Row("refreshes a second, on PostgreSQL, the database on the same cores", rates, "")])


def both(server, database, ask):
    """Runs the load. Returns its sample, and the CPU time of the database per answer in microseconds."""
    before = cpu(database.pid)
    node = run(server, ask)
    return node, (cpu(database.pid) - before) * 1e6 / (node.good + node.bad)
