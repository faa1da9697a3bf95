#!/usr/bin/env python3
"""Several hosts: network namespaces on one machine, each with its own address and host name, joined by
mpirun through a launch agent. The text is the one of a single rank, experts across or stages across."""
import os
import signal
import subprocess
import unittest
from pathlib import Path

from namespaces import Namespaces
from shoal_cli import MODEL, ShoalTest

WHY_NOT = Namespaces.why_not()
PROMPT = ["-p", "A mutex is", "-n", 24, "--temp", 0]


@unittest.skipIf(WHY_NOT, WHY_NOT)
class HostsTest(ShoalTest):
    def setUp(self):
        super().setUp()
        self.hosts = Namespaces(2, self.tmp)
        self.hosts.__enter__()
        self.addCleanup(self.hosts.__exit__)

    def cluster(self, shape):
        path = self.tmp / "cluster.yaml"
        path.write_text(f"hosts: [{', '.join(self.hosts.addresses)}]\n{shape}\nlaunch_agent: {self.hosts.agent}\n"
                        f"interface: {self.hosts.prefix}{self.hosts.first}/28\nthreads: 1\n")
        return path

    def ids(self, server):
        return server.generate(*PROMPT)["token_ids"]

    def test_the_same_text_across_hosts(self):
        alone = self.json("generate", "-m", MODEL, "-c", 1024, "--json", *PROMPT)["token_ids"]
        self.assertEqual(len(alone), 24)
        for shape, ranks in (("ranks: 4", 4), ("pp: 2\nep: 1", 2), ("pp: 2\nep: 2", 4)):
            with self.subTest(shape=shape):
                server = self.serve("--cluster", self.cluster(shape))
                # Half of the ranks on each host, in rank order.
                where = [rank["host"] for rank in server.status()["ranks"]]
                self.assertEqual(where, [name for name in self.hosts.names for _ in range(ranks // 2)])
                self.assertEqual(self.ids(server), alone)
                self.assertEqual(server.stop(), 0)
                self.wait_for(lambda: not self.processes("shoal-worker"), 10, "the workers' end")

    def test_what_listens_and_who_may_join(self):
        server = self.serve("--cluster", self.cluster("ranks: 2"))
        listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout
        ours = [line.split()[3].replace("[::ffff:", "").replace("]", "") for line in listening.splitlines()
                if f"pid={server.process.pid}," in line]
        control = [address for address in ours if address.startswith(self.hosts.here + ":")]
        self.assertEqual(len(control), 1, ours)
        self.assertTrue(all(address.startswith(("127.0.0.1:", self.hosts.here + ":")) for address in ours), ours)
        # From the other host, without a certificate of the job.
        probe = subprocess.run(["ip", "netns", "exec", self.hosts.names[1], "openssl", "s_client", "-tls1_2", "-connect",
                                control[0], "-alpn", "h2"], input="", capture_output=True, text=True, timeout=20)
        self.assertIn("unexpected eof", probe.stderr)  # cut off in the handshake
        self.assertEqual(len(self.ids(server)), 24)
        self.assertEqual(server.stop(), 0)

    def test_a_rank_on_another_host_dies(self):
        server = self.serve("--cluster", self.cluster("ranks: 2"))
        before = self.ids(server)
        os.kill(server.status()["ranks"][1]["pid"], signal.SIGKILL)
        self.wait_for(lambda: (s := server.status())["phase"] == "serving" and s["epoch"] == 2, 30, "epoch 2")
        self.assertEqual(self.ids(server), before)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
