#!/usr/bin/env python3
"""How soon a server says yes or no when it is asked for much more than it can do.

    build/bin/shoal serve -m tests/models --ranks 2 -c 1024 &
    tests/bench/flood_bench.py --server 127.0.0.1:50051 --pid $! [--requests 10000 --at-once 2]

A process keeps more streams open than may run and wait. Beside it so many callers ask again as soon as
they have an answer, which is the first event of StreamGenerate (Accepted; then the caller leaves) or
RESOURCE_EXHAUSTED. Prints how long the answers took and the server's resident memory after each
tenth of the requests. Needs grpcio and protobuf.
"""
import argparse
import multiprocessing
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "launch"))
import grpc  # noqa: E402
from http_streams import percentile  # noqa: E402
from shoal_client import ShoalClient  # noqa: E402


def resident_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024


SPEC = {"token_ids": [1, 2, 3, 4, 5, 6, 7, 8], "ignore_eos": True}


def keep_full(server, protoset, streams):
    """A process of its own: so many streams at once, for ever."""
    def one():
        with ShoalClient(server, protoset, retries=0) as client:
            while True:
                try:
                    client.generate(**SPEC, max_tokens=200)
                except grpc.RpcError:
                    time.sleep(0.2)

    for _ in range(streams):
        threading.Thread(target=one).start()


class Flood:
    def __init__(self, options):
        self.options, self.lock = options, threading.Lock()
        self.left, self.answers, self.memory = options.requests, [], []

    def caller(self):
        with ShoalClient(self.options.server, self.options.protoset, retries=0) as client:
            client.call("ModelService/GetModel")  # connected before the clock runs
            while self.take():
                spec = client.spec(**SPEC, max_tokens=8)
                begin = time.perf_counter()
                events = client.call("InferenceService/StreamGenerate", {"spec": spec})
                try:
                    next(events)
                    answer = "accepted"
                except grpc.RpcError as error:
                    answer = error.code().name
                self.answers.append((answer, time.perf_counter() - begin))
                events.close()

    def take(self):
        with self.lock:
            if self.left % (self.options.requests // 10) == 0 and self.options.pid:
                self.memory.append(resident_mib(self.options.pid))
            self.left -= 1
            return self.left >= 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--protoset", default=str(ROOT / "build/shoal.v1.binpb"))
    parser.add_argument("--pid", type=int, help="of shoal serve, for its memory")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--streams", type=int, default=80, help="kept open meanwhile")
    options = parser.parse_args()
    filler = multiprocessing.get_context("spawn").Process(
        target=keep_full, args=(options.server, options.protoset, options.streams))
    filler.start()
    time.sleep(5)
    flood = Flood(options)
    callers = [threading.Thread(target=flood.caller) for _ in range(options.at_once)]
    begin = time.perf_counter()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    filler.kill()
    print(f"{len(flood.answers)} answers in {time.perf_counter() - begin:.0f} s: "
          f"{dict(Counter(answer for answer, _ in flood.answers))}\n\n| answer | p50, ms | p99 | p99.9 | most |\n|---|---|---|---|---|")
    for kind in sorted({answer for answer, _ in flood.answers}):
        times = [1000 * seconds for answer, seconds in flood.answers if answer == kind]
        print(f"| {kind} | {statistics.median(times):.2f} | {percentile(times, 99):.2f} | "
              f"{percentile(times, 99.9):.2f} | {max(times):.2f} |")
    late = sum(seconds > 0.010 for _, seconds in flood.answers)
    print(f"\n{late} answers took over 10 ms; resident MiB by tenths: {[round(mib, 1) for mib in flood.memory]}")


if __name__ == "__main__":
    main()
