"""The servers that Latchkey is compared with."""

import json
import shutil
from pathlib import Path

from .process import Failed, Server
from .settings import BENCH, BUILT, CORES, DATA, PASSWORD, tool


def bare_axum(port, kind):
    return Server(f"axum {kind}", [BUILT / "bare-axum", port, kind], port)


def tutorial(name, port, standard=False, jwt="jose", hashing="none", workers=1, log=True, cores=None):
    """Returns the tutorial's app on uvicorn with its defaults, or with its [standard] extras."""
    words = [Path(tool("tutorial")) / "uvicorn", "main:app", "--port", port]
    words += ["--loop", "uvloop", "--http", "httptools"] if standard else ["--loop", "asyncio", "--http", "h11"]
    words += ["--workers", workers] if workers > 1 else []
    words += [] if log else ["--no-access-log"]
    cores = CORES if workers > 1 else cores
    env = {"JWT": jwt, "HASH": hashing, "PYTHONDONTWRITEBYTECODE": 1}
    return Server(name, words, port, cores, env, cwd=BENCH / "tutorial", ready="/protected")


def tutorial_token(server):
    form = f"username=ada&password={PASSWORD.replace(' ', '+')}"
    _, _, body = server.ask("POST", "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
    return json.loads(body)["access_token"]


def template(port, cores=None):
    """Returns the Leptos template, started in its folder so that it finds its files."""
    folder = BENCH / "template" / "target"
    env = {"LEPTOS_SITE_ADDR": f"127.0.0.1:{port}", "LEPTOS_SITE_ROOT": folder / "site", "LEPTOS_OUTPUT_NAME": "template"}
    return Server("template", [folder / "release" / "template"], port, cores, env, cwd=BENCH / "template")


class BetterAuth(Server):
    """A better-auth server whose users can be signed up and signed in."""

    def __init__(self, name, port, journal, update_age=None):
        folder = DATA / name.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        env = {"PORT": port, "FILE": folder / "auth.db", "JOURNAL": journal, "NODE_ENV": "production"}
        env |= {} if update_age is None else {"UPDATE_AGE": update_age}
        super().__init__(name, ["node", "server.mjs"], port, env=env, cwd=BENCH / "better-auth", ready="/api/auth/ok")

    def post(self, path, **fields):
        headers = {"Content-Type": "application/json", "Origin": f"http://{self.host}"}
        status, headers, body = self.ask("POST", f"/api/auth/{path}", json.dumps(fields), headers)
        if status != 200:
            raise Failed(f"{self.name}: {path}: {status} {body}")
        return headers["Set-Cookie"].partition(";")[0]

    def sign_up(self, number):
        """Creates an account and returns its session cookie."""
        return self.post("sign-up/email", name="ada", email=f"user{number}@example.org", password=PASSWORD)
