"""Sign-ins: compared with hashing alone, and their effect on other requests."""

import json
import os
import resource
import subprocess

from ..latchkey import Latchkey, signing_in
from ..load import command, run, sample, values
from ..rounds import each, interleave, ratios
from ..rows import Result, Row
from ..settings import BUILT, CORES, PORT, SECONDS, SERVER
from .protected import bearer, table

BEHIND_A_PROXY = {"TRUSTED_PROXIES": "127.0.0.1/32"}


class Hashes:
    """Hashes that argon2 alone makes on these cores: the rate per second, and the CPU time of one hash in microseconds."""

    def __init__(self, cores):
        words = [BUILT / "raw-argon2", len(cores), SECONDS]
        before = spent()
        chosen = set(cores)
        printed = subprocess.run(
            [str(word) for word in words], stdout=subprocess.PIPE, check=True, preexec_fn=lambda: os.sched_setaffinity(0, chosen)
        ).stdout
        hashes, seconds = map(float, printed.split())
        self.rate = hashes / seconds
        self.cost = (spent() - before) * 1e6 / hashes


def spent():
    """Returns the CPU time of child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure():
    with (
        Latchkey("latchkey", PORT, users=200, settings=BEHIND_A_PROXY) as ours,
        Latchkey("latchkey all cores", PORT + 1, CORES, users=200, settings=BEHIND_A_PROXY) as everywhere,
    ):
        names = values("names", ours.users)

        def sign_ins(server, connections):
            return lambda: run(server, signing_in(names, connections))

        for server in (ours, everywhere):
            run(server, signing_in(names, 8), seconds=1)
        samples = interleave({
            "Latchkey": sign_ins(ours, 8), "argon2": lambda: Hashes([SERVER]),
            "Latchkey, all cores": sign_ins(everywhere, 16), "argon2, all cores": lambda: Hashes(CORES),
        })
        waits = interleave({"/protected": lambda: while_they_queue(ours, names)}, rounds=3)
    return Result(
        [
            Row("sign-ins a second, one core: by argon2 alone", ratios(samples, "Latchkey", "argon2", "rate"), at_least=0.90),
            Row("CPU time of a hash: argon2's alone by a whole sign-in's", ratios(samples, "argon2", "Latchkey", "cost"), at_least=0.95),
            Row("sign-ins a second, all cores, the load on one of them too", ratios(samples, "Latchkey, all cores", "argon2, all cores", "rate")),
            Row("`/protected` while 200 sign-ins queue on its core: 99 of 100 within", each(waits, "/protected", "p99"), "ms"),
        ],
        [
            "A core that others use too is shared in favour of whoever sleeps now and then, as a server does and a bare loop of "
            "hashes does not: then ours are more a second than argon2's alone. The CPU time does not suffer from that.",
            table(samples),
        ],
    )


def while_they_queue(server, names):
    """Sends 200 sign-ins at once. Returns a sample of `/protected` from the same time."""
    tokens = server.access_tokens(4)
    queue = subprocess.Popen(command(server, signing_in(names, 200), count=200), stdout=subprocess.PIPE)
    asked = run(server, bearer(tokens), seconds=3)
    printed, _ = queue.communicate()
    sample(server, json.loads(printed))
    return asked
