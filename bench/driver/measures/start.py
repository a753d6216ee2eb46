"""Time from the start of the program to its first answered page, with an existing database."""

import http.client
import time

from ..latchkey import Latchkey
from ..rows import Result, Row
from ..settings import CORES, PORT, ROUNDS


def measure():
    ours = Latchkey("latchkey", PORT, CORES, users=200)
    with ours:
        pass
    times = []
    for _ in range(3 * ROUNDS):
        begun = time.perf_counter()
        ours.start()
        try:
            first_answer(ours)
            times.append((time.perf_counter() - begun) * 1000)
        finally:
            ours.stop()
    return Result([Row("start to first page, existing database", times, "ms", at_most=50)])


def first_answer(server):
    while server.process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            connection.request("GET", "/login", headers={"Host": server.host})
            connection.getresponse().read()
            return
        except ConnectionRefusedError:
            time.sleep(0.001)
        finally:
            connection.close()
    server.wait()
