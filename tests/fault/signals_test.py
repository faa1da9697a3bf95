#!/usr/bin/env python3
"""SIGTERM drains and exits 0, a second one does not wait, and SIGINT ends a private cluster."""
import signal
import time
import unittest
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from shoal_cli import MODEL, ShoalTest


class SignalsTest(ShoalTest):
    def test_running_streams_finish_while_new_ones_are_refused(self):
        server = self.serve("--ranks", 2)
        client = self.start("generate", "--server", server.address, "--json", "-p", "A mutex is", "-n", 400, "--ignore-eos")
        self.wait_for(lambda: server.status()["running"] == 1, 20, "a running stream")
        server.process.send_signal(signal.SIGTERM)
        out, err = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 0, err)
        self.assertIn('"completion_tokens":400', out)
        self.assertEqual(server.process.wait(20), 0)

    def test_an_idle_server_stops_at_once(self):
        server = self.serve("--ranks", 3)
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 5)

    def test_sigterm_while_loading(self):
        server = self.serve("--ranks", 3, wait=False)
        self.wait_for(lambda: self.processes("shoal-worker"), 30, "a worker's start")
        self.assertEqual(server.stop(), 0)

    def test_a_second_sigterm_does_not_wait(self):
        server = self.serve("--ranks", 2, "--drain-seconds", 120)
        client = self.start("generate", "--server", server.address, "-p", "A mutex is", "-n", 1000, "--ignore-eos")
        client.stdout.read(1)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        begin = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - begin, 2)
        client.communicate(timeout=20)
        self.assertNotEqual(client.returncode, 0)

    def test_an_interrupted_private_cluster_leaves_nothing(self):
        client = self.start("generate", "-m", MODEL, "--ranks", 2, "-c", 1024, "-p", "A mutex is", "-n", 1000, "--ignore-eos")
        client.stdout.read(1)
        client.send_signal(signal.SIGINT)
        _, err = client.communicate(timeout=10)
        self.assertEqual(client.returncode, 6, err)
        self.assertIn("Interrupt", err)


if __name__ == "__main__":
    unittest.main()
