"""`GET /protected`: Latchkey compared with the tutorial and with a minimal axum server."""

from contextlib import ExitStack

from ..latchkey import Latchkey
from ..load import Ask, run, values
from ..others import bare_axum, tutorial, tutorial_token
from ..rounds import each, interleave, ratios
from ..rows import Result, Row
from ..settings import CORES, PORT

# Requests use the tokens of this many sessions in turn, because repeating one token is not representative.
SESSIONS = 100


def measure():
    with ExitStack() as started:
        start = started.enter_context
        ours = {
            "Latchkey": start(Latchkey("latchkey", PORT)),
            "Latchkey, EdDSA": start(Latchkey("latchkey eddsa", PORT + 1, settings={"JWT_ALG": "EdDSA"})),
            "Latchkey, all cores": start(Latchkey("latchkey all cores", PORT + 2, CORES)),
        }
        bare = start(bare_axum(PORT + 3, "constant"))
        jwt = start(bare_axum(PORT + 4, "jwt"))
        tutorials = {
            "tutorial": start(tutorial("tutorial", PORT + 5)),
            "tutorial, uvicorn[standard]": start(tutorial("tutorial standard", PORT + 6, standard=True)),
            "tutorial, PyJWT": start(tutorial("tutorial pyjwt", PORT + 7, jwt="pyjwt")),
            "tutorial, uvicorn[standard], PyJWT, no log": start(
                tutorial("tutorial best", PORT + 8, standard=True, jwt="pyjwt", log=False)
            ),
            "tutorial, all cores": start(tutorial("tutorial all cores", PORT + 10, cores=CORES)),
            "tutorial, a worker per core": start(tutorial("tutorial workers", PORT + 9, workers=len(CORES))),
        }
        asks = {name: (server, bearer(server.access_tokens(SESSIONS))) for name, server in ours.items()}
        asks["axum, a constant"] = (bare, Ask("/protected"))
        token = jwt.ask("GET", "/token")[2].decode()
        asks["axum, a JWT verified"] = (jwt, bearer(values("axum.access", [token])))
        for name, server in tutorials.items():
            asks[name] = (server, bearer(values(f"{server.name}.access".replace(" ", "-"), [tutorial_token(server)])))
        for server, ask in asks.values():
            run(server, ask, seconds=0.5)
        samples = interleave({name: lambda server=server, ask=ask: run(server, ask) for name, (server, ask) in asks.items()})

    def times(name, above, below, of, **goal):
        return Row(f"`/protected`, {name}", ratios(samples, above, below, of), **goal)

    best = "tutorial, uvicorn[standard], PyJWT, no log"
    return Result(
        [
            times("CPU per request: the tutorial's by ours", "tutorial", "Latchkey", "cost", at_least=35),
            times("requests a second: ours by the tutorial's", "Latchkey", "tutorial", "rate"),
            times("CPU per request: ours by bare axum's", "Latchkey", "axum, a constant", "cost"),
            times("EdDSA, CPU per request: ours by bare axum's", "Latchkey, EdDSA", "axum, a constant", "cost"),
            times("CPU per request: ours by axum's with a JWT check", "Latchkey", "axum, a JWT verified", "cost", at_most=1.15),
            times("CPU per request: the tutorial's at its best by ours", best, "Latchkey", "cost"),
            times("CPU per request, one process each on all cores: the tutorial's by ours",
                  "tutorial, all cores", "Latchkey, all cores", "cost"),
            times("requests a second, all cores: ours by the tutorial's with a worker per core",
                  "Latchkey, all cores", "tutorial, a worker per core", "rate"),
        ],
        [table(samples)],
    )


def bearer(tokens):
    return Ask("/protected", headers=["Authorization: Bearer {}"], values=tokens)


def table(samples):
    """Returns a table of all contenders, ordered by CPU time per request."""
    rows = [(Row("", each(samples, name, "cost"), "µs"), Row("", each(samples, name, "rate"), ""), name) for name in samples]
    lines = ["| | CPU per request | requests a second |", "|---|---|---|"]
    for cost, rate, name in sorted(rows, key=lambda row: row[0].middle()):
        lines.append(f"| {name} | {cost.cells()[2]} ({cost.cells()[3]}) | {rate.cells()[2]} ({rate.cells()[3]}) |")
    return "\n".join(lines)
