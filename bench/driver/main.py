"""Runs the requested measures, prints their rows, and writes docs/BENCHMARKS.md."""

import json
import sys
import traceback

from . import machine, report
from .measures import ALL
from .process import Failed
from .rows import Result
from .settings import RESULTS


def run(names, usage):
    if "--list" in names:
        print("\n".join(ALL))
        return 0
    if unknown := [name for name in names if name not in ALL]:
        print(f"error: no measure is called {', '.join(unknown)}.\n\n{usage}", file=sys.stderr)
        return 2
    facts = {"machine": machine.shape(), "settings": machine.settings(), "versions": machine.versions()}
    report.say_facts(facts)
    results = {}
    for name in names or ALL:
        print(f"\n==> {name}", flush=True)
        results[name] = measure(name)
        report.say(results[name])
    known = remember(results, facts)
    report.write(known)
    bad = [name for name, result in results.items() if not result.is_good()]
    if bad:
        print(f"\nA goal is missed by more than the noise, or something could not be measured: {', '.join(bad)}")
    return 1 if bad else 0


def measure(name):
    others = machine.others()
    try:
        result = ALL[name]()
    except Failed as error:
        result = Result(failure=str(error))
    except Exception as error:
        traceback.print_exc()
        result = Result(failure=f"{type(error).__name__}: {error}")
    result.date, result.others = machine.today(), others
    return result


def remember(results, facts):
    """Stores the results. Older results of other measures are kept until they are measured again."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, result in results.items():
        known[name] = {"result": result.plain(), "facts": facts}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(known, indent=1))
    return known
