#!/usr/bin/env python3
"""--launcher external: the server says how to start the workers, and serves once they are there."""
import os
import subprocess
import unittest

from shoal_cli import ShoalTest


class ExternalTest(ShoalTest):
    def test_workers_that_the_user_starts(self):
        server = self.serve("--ranks", 2, "--launcher", "external", wait=False)
        self.wait_for(lambda: any("shoal-worker" in line for line in server.log), 20, "the instructions")
        lines = [line.strip() for line in server.log]
        script = "\n".join(line for line in lines if line.startswith(("export", "mpirun")))
        self.assertNotIn("TOKEN=$(cat )", script)
        if os.getuid() == 0:
            script = script.replace("mpirun ", "mpirun --allow-run-as-root --oversubscribe ")
        else:
            script = script.replace("mpirun ", "mpirun --oversubscribe ")
        workers = subprocess.Popen(["sh", "-c", script], env={**self.env, "TMPDIR": str(self.tmp)},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server.wait_ready()
        self.assertEqual(len(server.generate("-p", "A mutex is", "-n", 4)["token_ids"]), 4)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(workers.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
