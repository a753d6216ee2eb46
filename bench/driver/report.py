"""Prints the results on the terminal and writes docs/BENCHMARKS.md."""

from .measures import ALL
from .rows import Result
from .settings import PAGE

HEAD = """# Measurements

`make bench` measures Latchkey beside what people would use instead, on one machine, in one run, and writes this page.
`make bench ONLY="protected pages"` measures a part anew; `bench/run --list` names the parts. `BENCH_SECONDS=1 BENCH_ROUNDS=3 make bench`
is quick and rough. It ends with an error when a goal is missed by more than the noise.

Each number is the median of several rounds, in which the contenders take turns, with the quartiles beside it: half of the
rounds lie between them. A ratio is taken within a round, of neighbours, so what slows the machine for a while slows both sides.
The noise is half the distance of the quartiles. Cost is the CPU time that a server's processes used (user and system, from
`/proc`), by the answers they gave: who else uses the machine changes it far less than requests a second, though a busy neighbour
empties caches, and doubles what costs little. Below each part stands how busy others kept the machine.

"""

AGAINST = """
## What is compared

- **tutorial**: FastAPI with python-jose, HS256, and a route behind `OAuth2PasswordBearer` (`bench/tutorial`), served by uvicorn as
  `pip install fastapi uvicorn` leaves it, without `--reload`. Variants have uvicorn's `[standard]` extras, PyJWT, no access log, or
  a worker per core on all cores, where the load has to share one. Its `/token` checks no password; two variants verify one, with
  passlib's bcrypt and with argon2-cffi, each at its defaults.
- **axum**: a handler that answers the same JSON each time, and one that verifies a token with jsonwebtoken first (`bench/axum`).
- **template**: the page a new Leptos project on axum has, a heading and a button that counts, with router, `leptos_meta` and full
  hydration (`bench/template`), built by the same tools, its files precompressed as ours are.
- **better-auth** on its SQLite adapter, on Node (`bench/better-auth`).
- **argon2**: the crate alone at our parameters, one thread a core, each keeping its memory (`bench/argon2`).

Latchkey is the binary of `make build` with settings as they come, on SQLite; where sign-ins come from many addresses,
`LATCHKEY_TRUSTED_PROXIES` says so. Requests come from `bench/load`, on connections that are kept, over tokens of 100 sessions.
Sessions by the thousand are written into the database while the server is stopped; each is then used as any other.

## What stands between a figure and its goal

- **`/protected` by bare axum's.** Nearly two thirds of both is the kernel carrying bytes. Of what is left, by callgrind: 13,300 instructions of
  bare axum, 25,500 of ours. A tenth each of the difference is: nine headers that every answer bears, and their encoding; reading and
  looking up the token; room for 512 header fields, so that too many are refused with our own headers; the deadline for a header and its
  timer; the request's size, host and origin; the line of the log that is ready should one be written. The signature is not among it: it is
  checked once, and EdDSA costs what HS256 costs.
- **By the tutorial's.** The ratio cannot be larger than bare axum's, which is 79× to 98× by how Python runs on the machine.
- **The dashboard.** It has eleven times the bytes of the template's page. Rendering and sending them costs more than that whole page already; the rest, a
  good third, is three questions to SQLite on sqlx's threads. Asked on threads of our own, through rusqlite, they made the page 6 % cheaper: not
  enough for a second library.
- **Bytes.** 56 KB of 67 are WASM: a fifth of it formats panics (Rust's core; leaving that out takes a nightly compiler), a fifth is reactive_graph, a tenth
  tachys, another tenth futures and streams that the server-function client exports and no page uses. Ours is 4 %. wasm-opt at other levels changes 1 %.
- **Sign-ins.** 93 % of the CPU time is argon2's; two durable commits are 3 %, the rest is HTTP, the token and the scheduler.
- **From click to painted.** 562 ms are the line's one round trip, 40 ms the bytes; the goal leaves 20 ms to render in.
"""


def say_facts(facts):
    print(facts["machine"], facts["settings"], versions(facts), sep="\n", flush=True)


def say(result):
    print(f"  others keep {result.others:.0%} of the machine busy")
    for row in result.rows:
        name, goal, measured, spread, verdict = row.cells()
        print(f"  {name}: {measured} ({spread}), goal {goal} {verdict}", flush=True)
    for note in result.notes:
        print(f"\n{note}", flush=True)
    if result.failure:
        print(f"  could not be measured: {result.failure}", flush=True)


def write(known):
    """Writes the page, but only if there is a result for every measure."""
    if missing := [name for name in ALL if name not in known]:
        print(f"\n{PAGE.name} is not written: nothing is known yet of {', '.join(missing)}")
        return
    facts = max(known.values(), key=lambda part: part["result"]["date"])["facts"]
    results = {name: Result.of(known[name]["result"]) for name in ALL}
    text = HEAD
    text += f"Machine: {facts['machine']}.\nSettings: {facts['settings']}.\nVersions: {versions(facts)}.\n\n"
    text += "| | goal | measured | spread | |\n|---|---|---|---|---|\n"
    for name, result in results.items():
        text += "".join(f"| {' | '.join(row.cells())} |\n" for row in result.rows)
        if result.failure:
            text += f"| {name} | | could not be measured | | missed |\n"
    text += AGAINST + "\n## Behind the table\n"
    for name, result in results.items():
        tree = known[name]["facts"]["versions"]["Latchkey"]
        text += f"\n### {name}\n\nMeasured {result.date} on {tree}; others kept {result.others:.0%} of the machine busy just before.\n"
        text += "".join(f"\n{note}\n" for note in result.notes)
        text += f"\nCould not be measured: {result.failure}\n" if result.failure else ""
    PAGE.write_text(text)
    print(f"\nwritten: docs/{PAGE.name}")


def versions(facts):
    return ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
