#!/usr/bin/env python3
"""The journal has a token before the client has it, and a client that leaves costs nothing."""
import os
import re
import unittest

from shoal_cli import ShoalTest

TOKEN = re.compile(r"(?<= )(\d+):(\d+)=(\d+)")


def journal_tokens(path):
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("step "):
            found += [int(token) for _, _, token in TOKEN.findall(line)]
    return found


class JournalTest(ShoalTest):
    def test_every_token_is_recorded_before_it_is_sent(self):
        journal = self.tmp / "journal"
        server = self.serve("--ranks", 2, "--journal", journal)
        client = self.start("generate", "--server", server.address, "-p", "A mutex is", "-n", 64, "--ignore-eos")
        reads = 0
        while os.read(client.stdout.fileno(), 65536):
            reads += 1
            # Each read brought at least one event of at least one token; the last may be our newline.
            self.assertGreaterEqual(len(journal_tokens(journal)) + 1, reads)
        client.communicate()
        self.assertGreater(reads, 1)
        self.assertEqual(len(journal_tokens(journal)), 64)
        self.assertEqual(journal.stat().st_mode & 0o777, 0o600)
        again = server.generate("-p", "A mutex is", "-n", 64, "--ignore-eos")
        self.assertEqual(journal_tokens(journal)[64:], again["token_ids"])
        self.assertEqual(server.stop(), 0)

    def test_a_client_that_leaves_frees_its_sequence(self):
        server = self.serve("--ranks", 2)
        client = self.start("generate", "--server", server.address, "-p", "A mutex is", "-n", 900, "--ignore-eos")
        client.stdout.read(1)
        self.assertEqual(server.status()["running"], 1)
        client.kill()
        client.communicate()
        self.wait_for(lambda: server.status()["running"] == 0, 5, "the end of the sequence")
        status = server.status()
        self.assertEqual(status["blocks_used"], 0)
        self.assertLess(status["tokens_generated"], 900)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
