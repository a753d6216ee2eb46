"""Pages per second: Latchkey's pages, which read the database, compared with the template's heading and button."""

from ..latchkey import Latchkey
from ..load import Ask, run
from ..others import template
from ..rounds import interleave, ratios
from ..rows import Result, Row
from ..settings import PORT
from .protected import table


def measure():
    with Latchkey("latchkey", PORT) as ours, template(PORT + 1) as theirs:
        tokens = ours.access_tokens(100)
        asks = {
            "sign-in page": (ours, Ask("/login")),
            "dashboard, signed in": (ours, Ask("/dashboard", headers=["Cookie: latchkey={}"], values=tokens)),
            "template's page": (theirs, Ask("/")),
        }
        for server, ask in asks.values():
            run(server, ask, seconds=0.5)
        samples = interleave({name: lambda server=server, ask=ask: run(server, ask) for name, (server, ask) in asks.items()})
    return Result(
        [
            Row("sign-in page, requests a second: by the template's page", ratios(samples, "sign-in page", "template's page", "rate"), at_least=1.5),
            Row("dashboard, requests a second: by the template's page", ratios(samples, "dashboard, signed in", "template's page", "rate"), at_least=1),
        ],
        [table(samples)],
    )
