"""Latchkey servers, with accounts and sessions for requests."""

import base64
import csv
import hashlib
import hmac
import json
import os
import shutil
import sqlite3
import subprocess
import time
from urllib.parse import urlencode

from .load import Ask, run, values
from .process import Failed, Server
from .settings import BINARY, DATA, PASSWORD

FORM = "Content-Type: application/x-www-form-urlencoded"


class Latchkey(Server):
    """A Latchkey server with its own database and default settings, except for `settings`."""

    def __init__(self, name, port, cores=None, users=50, settings=None):
        self.data = DATA / name.replace(" ", "-")
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)
        settings = {"ADDR": f"127.0.0.1:{port}", "DATA_DIR": self.data, **(settings or {})}
        env = {f"LATCHKEY_{key}": value for key, value in settings.items()}
        super().__init__(name, [BINARY, "serve"], port, cores, env, cwd=self.data, ready="/health/ready")
        # Remove settings of this environment, which are for another Latchkey.
        for key in [key for key in self.env if key.startswith("LATCHKEY_") and key not in env]:
            del self.env[key]
        self.users = [f"user{number:04}" for number in range(users)]
        self.add_users()

    def tell(self, *words, stdin=""):
        done = subprocess.run([BINARY, *words], env=self.env, cwd=self.data, input=stdin, text=True, capture_output=True)
        if done.returncode:
            raise Failed(f"latchkey {' '.join(words)}: {done.stderr}")

    def add_users(self):
        """Adds one user and imports the others with the same hash, because hashing a thousand passwords would take a minute."""
        self.tell("user", "add", self.users[0], "--password-stdin", stdin=PASSWORD + "\n")
        with self.database() as database:
            (hashed,) = database.execute("SELECT password_hash FROM users").fetchone()
        file = self.data / "users.csv"
        with open(file, "w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["username", "email", "password_hash"])
            rows.writerows([name, "", hashed] for name in self.users[1:])
        if len(self.users) > 1:
            self.tell("user", "import", str(file))

    def database(self):
        return sqlite3.connect(self.data / "latchkey.db")

    def sign_in(self, name):
        form = urlencode({"username": name, "password": PASSWORD})
        status, _, body = self.ask("POST", "/token", form, {"Content-Type": FORM.split(": ")[1]})
        if status != 200:
            raise Failed(f"signing in: {status} {body}")
        return json.loads(body)

    def access_tokens(self, count):
        """Signs in all users in turn. Returns a file of access tokens."""
        tokens = [self.sign_in(self.users[number % len(self.users)])["access_token"] for number in range(count)]
        return values(f"{self.name.replace(' ', '-')}.access", tokens)

    def make_sessions(self, count):
        """Writes sessions into the database of a stopped server, as sign-ins would, and returns a file of their refresh
        tokens. Signing in 100,000 times would take half an hour."""
        key = derive((self.data / "secret").read_bytes().strip(), b"latchkey refresh token")
        now = int(time.time())
        tokens, rows = [], []
        with self.database() as database:
            users = [user for (user,) in database.execute("SELECT id FROM users ORDER BY username")]
            for number in range(count):
                session, salt = os.urandom(16), b64(os.urandom(16))
                message = b"\x01" + session + bytes(4)
                tokens.append(b64(message + hmac.digest(key, message + salt.encode(), "sha256")))
                rows.append((uuid(session), users[number % len(users)], now, now + 30 * 86400, salt, now + 90 * 86400))
            database.executemany(
                "INSERT INTO sessions (id, user_id, client, user_agent, started_at, expires_at, salt, ends_at, last_used_at,"
                " proved_at, rotated_at) VALUES (?1, ?2, 'api', 'bench', ?3, ?4, ?5, ?6, ?3, ?3, ?3)",
                rows,
            )
        return values(f"{self.name.replace(' ', '-')}.refresh", tokens)

    def refresh_once(self, tokens, count):
        """Refreshes each session once, so that the server has used them all. Returns a file of their access tokens."""
        kept = tokens.with_suffix(".access")
        run(self, refreshing(tokens, keep=kept), count=count)
        return kept


def signing_in(names, connections):
    """Returns sign-in requests that each come from another client address, as those of real users do."""
    return Ask(
        "/token", "POST", [FORM, "X-Forwarded-For: {ip}"], "username={}&" + urlencode({"password": PASSWORD}),
        values=names, connections=connections,
    )


def refreshing(tokens, keep=None):
    return Ask("/token", "POST", [FORM], "grant_type=refresh_token&refresh_token={}", values=tokens, refresh=True, keep=keep)


def derive(secret, label):
    """Derives a key with one block of HKDF-SHA256, as crates/latchkey-core/src/keys.rs does."""
    extracted = hmac.digest(b"latchkey", secret, hashlib.sha256)
    return hmac.digest(extracted, label + b"\x01", hashlib.sha256)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def uuid(data):
    text = data.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
