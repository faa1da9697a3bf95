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

    def test_each_rank_killed_while_serving(self):
        server = self.serve("--ranks", 3)
        before = server.generate("-p", "A mutex is", "-n", 16)["token_ids"]
        for epoch, victim in enumerate((0, 2), start=2):
            client = self.long_stream("--server", server.address)
            os.kill(server.status()["ranks"][victim]["pid"], signal.SIGKILL)
            lines = self.end_of(client, NOTICE_SECONDS)
            self.assertEqual(client.returncode, 7, lines)
            self.assertEqual(len(lines), 1, lines)
            self.assertIn("UNAVAILABLE", lines[0])
            self.serves_again(server, epoch)
            self.assertEqual(len(self.processes("shoal-worker")), 3)
        self.assertEqual(server.generate("-p", "A mutex is", "-n", 16)["token_ids"], before)
        self.assertEqual(server.stop(), 0)

    def test_a_frozen_rank_is_replaced(self):
        server = self.serve("--ranks", 2)
        client = self.long_stream("--server", server.address)
        os.kill(server.status()["ranks"][1]["pid"], signal.SIGSTOP)
        lines = self.end_of(client, HEARTBEAT_SECONDS + NOTICE_SECONDS)
        self.assertEqual(client.returncode, 7, lines)
        self.serves_again(server, 2)
        self.assertEqual(len(self.processes("shoal-worker")), 2)
        self.assertEqual(server.stop(), 0)

    def test_mpirun_killed_while_serving(self):
        server = self.serve("--ranks", 2)
        client = self.long_stream("--server", server.address)
        workers = self.processes("shoal-worker")
        (mpirun,) = self.processes("mpirun")
        os.kill(mpirun, signal.SIGKILL)
        self.end_of(client, NOTICE_SECONDS)
        self.assertEqual(client.returncode, 7)
        self.serves_again(server, 2)
        self.assertFalse(set(workers) & set(self.processes("shoal-worker")))
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
