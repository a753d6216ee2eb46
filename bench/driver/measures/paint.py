"""Time from a click to the first paint on a slow connection: Latchkey's next page compared with the template's first page."""

from ..latchkey import Latchkey
from ..others import template
from ..rows import Result, Row
from ..settings import CORES, PASSWORD, PORT, ROUNDS
from .lighthouse import browse


def measure():
    with Latchkey("latchkey", PORT, CORES, users=1) as ours, template(PORT + 1, CORES) as theirs:
        found = browse("paint.mjs", f"http://{ours.host}", ours.users[0], PASSWORD, f"http://{theirs.host}/", ROUNDS)
    clicks = [sum(pair) / 2 for pair in zip(found["clicks"][::2], found["clicks"][1::2])]
    first = found["firstLoads"]
    return Result(
        [
            Row("click to painted, signed in, slow 4G: by the template's first load", [a / b for a, b in zip(clicks, first)], at_most=0.60),
            Row("the same by the template's first load until its button counts", [a / b for a, b in zip(clicks, found["alive"])]),
            Row("click to painted, signed in, slow 4G", clicks, "ms"),
            Row("the template's first load, painted, slow 4G", first, "ms"),
            Row("the template's first load, until its button counts, slow 4G", found["alive"], "ms"),
            Row("the sign-in page's first load, painted, slow 4G", found["ours"], "ms"),
        ]
    )
