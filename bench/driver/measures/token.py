"""`POST /token`: Latchkey compared with the tutorial, both as it is (it hashes nothing) and with the usual password hashing."""

from contextlib import ExitStack

from ..latchkey import FORM, Latchkey, signing_in
from ..load import Ask, run, values
from ..others import tutorial
from ..rounds import interleave, ratios
from ..rows import Result, Row
from ..settings import PASSWORD, PORT
from .protected import table


def measure():
    with ExitStack() as started:
        start = started.enter_context
        ours = start(Latchkey("latchkey", PORT, users=200, settings={"TRUSTED_PROXIES": "127.0.0.1/32"}))
        form = Ask("/token", "POST", [FORM], f"username=ada&password={PASSWORD.replace(' ', '+')}", connections=8)
        asks = {"Latchkey (argon2id, 19 MiB)": (ours, signing_in(values("names", ours.users), connections=8))}
        kinds = {"tutorial (no hash)": "none", "tutorial, passlib's bcrypt": "bcrypt", "tutorial, argon2-cffi": "argon2"}
        for number, (name, hashing) in enumerate(kinds.items()):
            asks[name] = (start(tutorial(f"tutorial {hashing}", PORT + 1 + number, hashing=hashing)), form)
        for server, ask in asks.values():
            run(server, ask, seconds=0.5)
        samples = interleave({name: lambda server=server, ask=ask: run(server, ask) for name, (server, ask) in asks.items()})
    first, *others = samples
    rows = [Row(f"`POST /token`, sign-ins a second: ours by the {name}", ratios(samples, first, name, "rate")) for name in others]
    return Result(rows, [table(samples)])
