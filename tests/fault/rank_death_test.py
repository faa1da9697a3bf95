#!/usr/bin/env python3
"""SIGKILL for a rank, for mpirun and for the coordinator: who fails, who lives, what is left."""
import os
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from shoal_cli import MODEL, ShoalTest
from sse_streams import SseStream

# A dead rank is noticed when its link closes; starting anew is another matter.
NOTICE_SECONDS = 2
HEARTBEAT_SECONDS = 2
RESTART_SECONDS = 30


class RankDeathTest(ShoalTest):
    def long_stream(self, *where):
        client = self.start("generate", *where, "-p", "A mutex is", "-n", 900, "--ignore-eos")
        client.stdout.read(1)
        return client

    def end_of(self, client, seconds):
        begin = time.monotonic()
        out, err = client.communicate(timeout=seconds + 10)
        self.assertLess(time.monotonic() - begin, seconds)
        return [line for line in err.splitlines() if line.strip()]

    def serves_again(self, server, epoch):
        self.wait_for(lambda: (s := server.status())["phase"] == "serving" and s["epoch"] == epoch, RESTART_SECONDS,
                      f"epoch {epoch}")
        self.assertEqual(len(server.generate("-p", "A mutex is", "-n", 4)["token_ids"]), 4)

    def goes_on_after(self, kill):
        """A stream that was running goes on to the text that it has without the fault."""
        server = self.serve("--ranks", 2)
        asked = {"prompt": "A mutex is", "max_tokens": 600, "temperature": 0, "ignore_eos": True}
        undisturbed = SseStream(server.http, asked).result()
        stream = SseStream(server.http, asked)
        self.wait_for(lambda: stream.pieces, 20, "the first piece")
        kill(server)
        self.assertEqual(stream.result(), undisturbed)
        self.serves_again(server, 2)
        self.assertEqual(len(self.processes("shoal-worker")), 2)
        return server

    def test_a_frozen_rank_is_replaced(self):
        server = self.goes_on_after(lambda s: os.kill(s.status()["ranks"][1]["pid"], signal.SIGSTOP))
        self.assertEqual(server.stop(), 0)

    def test_mpirun_killed_while_serving(self):
        before = []

        def kill(_):
            before.extend(self.processes("shoal-worker"))
            (mpirun,) = self.processes("mpirun")
            os.kill(mpirun, signal.SIGKILL)

        server = self.goes_on_after(kill)
        self.assertFalse(set(before) & set(self.processes("shoal-worker")))
        self.assertEqual(server.stop(), 0)

    def test_the_last_restart_is_spent(self):
        server = self.serve("--ranks", 2, "--max-restarts", 0)
        client = self.long_stream("--server", server.address)
        os.kill(server.status()["ranks"][1]["pid"], signal.SIGKILL)
        lines = self.end_of(client, NOTICE_SECONDS)
        self.assertEqual(client.returncode, 7, lines)
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("UNAVAILABLE", lines[0])
        self.assertEqual(server.process.wait(10), 7)

    def test_a_pause_is_no_death(self):
        server = self.serve("--ranks", 2)
        asked = {"prompt": "A mutex is", "max_tokens": 300, "temperature": 0, "ignore_eos": True}
        undisturbed = SseStream(server.http, asked).result()
        stream = SseStream(server.http, asked)
        self.wait_for(lambda: stream.pieces, 20, "the first piece")
        pid = server.status()["ranks"][1]["pid"]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(stream.result(), undisturbed)
        self.assertEqual(server.status()["epoch"], 1)
        self.assertEqual(server.stop(), 0)

    def test_a_killed_coordinator_takes_all_along(self):
        server = self.serve("--ranks", 3)
        self.assertEqual(len(self.processes("shoal-worker")), 3)
        server.process.kill()
        server.process.wait()
        self.wait_for(lambda: not self.processes(), NOTICE_SECONDS, "the end of every process")
        for left in (self.tmp / "t").iterdir():  # nobody was there to remove the folder
            self.assertTrue(left.name.startswith("shoal-"))
            for path in sorted(left.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            left.rmdir()

    def test_a_private_cluster_ends_at_once(self):
        client = self.long_stream("-m", MODEL, "--ranks", 3, "-c", 1024)
        os.kill(self.processes("shoal-worker")[1], signal.SIGKILL)
        lines = self.end_of(client, NOTICE_SECONDS + 1)  # and its processes are gone
        self.assertEqual(client.returncode, 7, lines)
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("rank", lines[0])

    def test_a_rank_killed_before_ready_is_named(self):
        server = self.serve("--ranks", 3, wait=False)
        victim = self.wait_for(lambda: self.processes("shoal-worker"), 30, "a worker's start")[0]
        os.kill(victim, signal.SIGKILL)
        begin = time.monotonic()
        self.assertEqual(server.process.stdout.readline(), "")
        self.assertEqual(server.process.wait(30), 4)
        server.reader.join()
        self.assertLess(time.monotonic() - begin, 2 * NOTICE_SECONDS)  # noticed, and all stopped
        lines = [line for line in server.log if line.strip()]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("rank", lines[0])


if __name__ == "__main__":
    unittest.main()
