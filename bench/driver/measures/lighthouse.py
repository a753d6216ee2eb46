"""Lighthouse with its defaults: a phone on a slow connection."""

import json
import subprocess

from ..latchkey import Latchkey
from ..process import Failed
from ..rows import Result, Row
from ..settings import BENCH, CORES, PASSWORD, PORT, ROUNDS, chromium

PUBLIC = ("/login", "/signup")
CATEGORIES = {"performance": "performance", "accessibility": "accessibility", "best-practices": "best practices", "seo": "SEO"}
TIMES = min(ROUNDS, 5)


def measure():
    with Latchkey("latchkey", PORT, CORES, users=1) as ours:
        found = browse("lighthouse.mjs", f"http://{ours.host}", ours.users[0], PASSWORD, TIMES)
    rows = []
    for path, scores in found["scores"].items():
        for category, name in CATEGORIES.items():
            goal = 100 if category != "seo" or path in PUBLIC else None
            rows.append(Row(f"Lighthouse, `{path}`: {name}", scores[category], "", at_least=goal))
    notes = [f"`{path}`: {', '.join(sorted(titles))}" for path, titles in found["failed"].items()]
    return Result(rows, [f"What Lighthouse finds wanting. {'; '.join(notes)}."] if notes else [])


def browse(script, *words):
    """Runs a script of bench/browser. Returns its JSON output."""
    command = ["node", script, chromium(), *map(str, words)]
    done = subprocess.run(command, cwd=BENCH / "browser", capture_output=True, text=True, timeout=1200)
    if done.returncode:
        raise Failed(f"{script}: {done.stderr[-800:]}")
    return json.loads(done.stdout)
