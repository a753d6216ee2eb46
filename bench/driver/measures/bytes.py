"""Bytes that a browser loads to show a page: HTML, CSS, JavaScript and WASM. Icons are left out on both sides."""

import re
import subprocess

from ..latchkey import Latchkey
from ..others import template
from ..process import Failed
from ..rows import Result, Row
from ..settings import PORT

FILE = re.compile(r"""["'](/[\w/.-]+\.(?:css|js|wasm))["']""")


def measure():
    with Latchkey("latchkey", PORT, users=1) as ours, template(PORT + 1) as theirs:
        sent = parts(ours, "/login", as_sent)
        hello = parts(theirs, "/", at_best)
    row = Row("sign-in page, bytes of all parts: by the template's page", [sum(sent.values()) / sum(hello.values())], at_most=0.70)
    lines = ["| | HTML | CSS | JavaScript | WASM | all |", "|---|---|---|---|---|---|"]
    for name, kinds in (("sign-in page", sent), ("template's page", hello)):
        cells = [f"{kinds.get(kind, 0):,}" for kind in ("html", "css", "js", "wasm")]
        lines.append(f"| {name} | {' | '.join(cells)} | {sum(kinds.values()):,} |")
    note = (
        "Bytes of bodies, brotli. Ours as they are sent; the template sends its HTML as it is, and here even that counts as if "
        "it were compressed at the highest level."
    )
    return Result([row], [note, "\n".join(lines)])


def parts(server, path, size):
    """Returns the bytes of a page and its files, by kind."""
    kinds = {"html": size(*fetch(server, path))}
    html = fetch(server, path, encoding="identity")[1].decode()
    for file in sorted(set(FILE.findall(html))):
        kind = file.rpartition(".")[2]
        kinds[kind] = kinds.get(kind, 0) + size(*fetch(server, file))
    if set(kinds) != {"html", "css", "js", "wasm"}:
        raise Failed(f"{server.name}: {path} loads {sorted(kinds)}")
    return kinds


def fetch(server, path, encoding="br"):
    status, headers, body = server.ask("GET", path, headers={"Accept-Encoding": encoding})
    if status != 200:
        raise Failed(f"{server.name}: {path}: {status}")
    return headers["Content-Encoding"], body


def as_sent(_, body):
    return len(body)


def at_best(encoding, body):
    if encoding:
        return len(body)
    script = (
        "const z = require('zlib'), b = require('fs').readFileSync(0);"
        "process.stdout.write(String(z.brotliCompressSync(b, { params: { [z.constants.BROTLI_PARAM_QUALITY]: 11 } }).length))"
    )
    return min(len(body), int(subprocess.run(["node", "-e", script], input=body, stdout=subprocess.PIPE, check=True).stdout))
