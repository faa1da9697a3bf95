#!/usr/bin/env python3
"""Ranks, and mpirun, are killed while streams run: every stream ends as it does without the fault."""
import os
import random
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from shoal_cli import ShoalTest
from sse_streams import SseStream

SEED = int(os.environ.get("SHOAL_CHAOS_SEED", time.time_ns() % 1_000_000))
LENGTH = 160
PLAIN = {"prompt": "A mutex is", "max_tokens": LENGTH, "temperature": 0, "ignore_eos": True}
# What a stream's state is made of: nothing, the draw, the history, a grammar, text held back, scores.
STREAMS = [
    PLAIN,
    {**PLAIN, "prompt": "The kernel", "temperature": 0.9, "seed": 7, "top_p": 0.95},
    {**PLAIN, "temperature": 0.8, "seed": 11, "frequency_penalty": 0.4, "presence_penalty": 0.2, "n": 2},
    {**PLAIN, "prompt": "List:", "temperature": 0.7, "seed": 3, "ignore_eos": False,
     "grammar": 'root ::= ([a-z]+ " ")+'},
    {**PLAIN, "prompt": "The scheduler", "logprobs": 2, "stop": ["never said at all"]},
]


class ReplayTest(ShoalTest):
    def start_all(self, server):
        return [SseStream(server.http, body) for body in STREAMS]

    def pids(self, server):
        return [rank["pid"] for rank in server.status()["ranks"]]

    def kill_and_compare(self, server, undisturbed, victims, at_token):
        generated = server.status()["tokens_generated"]
        epoch = server.status()["epoch"]
        pids = [self.processes("mpirun")[0]] if victims == "mpirun" else [self.pids(server)[v] for v in victims]
        streams = self.start_all(server)
        self.wait_for(lambda: server.status()["tokens_generated"] >= generated + at_token, 60, "the moment to kill")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for number, (stream, expected) in enumerate(zip(streams, undisturbed)):
            self.assertEqual(stream.result(), expected, f"stream {number}, {victims} killed at {at_token}, seed {SEED}")
        self.assertEqual(server.status()["epoch"], epoch + 1)
        return max(stream.longest_silence() for stream in streams)

    def check(self, *shape, kills):
        draws = random.Random(SEED)
        server = self.serve(*shape, "-np", 4, "--max-restarts", 100)
        undisturbed = [stream.result() for stream in self.start_all(server)]
        gaps = []
        for victims in kills:
            # Fewer run than there are streams: choices of one wait while others go.
            gaps.append(self.kill_and_compare(server, undisturbed, victims, draws.randrange(1, 4 * LENGTH)))
        self.wait_for(lambda: server.status()["blocks_used"] == 0, 5, "the end of all sequences")
        self.assertEqual(server.stop(), 0)
        print(f"{' '.join(map(str, shape))}: longest silence {', '.join(f'{gap:.2f} s' for gap in gaps)}", file=sys.stderr)

    def test_expert_parallel(self):
        self.check("--ranks", 2, kills=[[0], [1], "mpirun", [0, 1]])

    def test_stages(self):
        self.check("--pp", 2, "--ep", 1, kills=[[0], [1], "mpirun"])


if __name__ == "__main__":
    print(f"seed {SEED} (SHOAL_CHAOS_SEED repeats it)", file=sys.stderr)
    unittest.main()
