#!/usr/bin/env python3
"""Model files that are bad for one rank, or that shrink under a running one: one verdict for all."""
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from shoal_cli import BIN, MODEL, ShoalTest


class ModelFilesTest(ShoalTest):
    def copy_model(self, name):
        folder = self.tmp / name
        folder.mkdir()
        for shard in Path(MODEL).parent.glob("*Q4_K_XL*.gguf"):
            shutil.copy(shard, folder)
        return sorted(folder.glob("*.gguf"))

    def greedy(self, *models):
        """shoal-engine under one mpirun, each rank with a model of its own."""
        root = ["--allow-run-as-root"] if os.getuid() == 0 else []
        ranks = [[*"-np 1".split(), str(BIN / "shoal-engine"), "greedy", "-m", str(model), "-p", "x", "-n", "2"]
                 for model in models]
        args = [part for rank in ranks for part in [":", *rank]][1:]
        result = subprocess.run(["mpirun", *root, "--oversubscribe", "--bind-to", "none", *args],
                                capture_output=True, text=True, env=self.env, timeout=60)
        return result.returncode, [line for line in result.stderr.splitlines() if "GGUF" in line], result.stderr

    def test_a_file_bad_for_one_rank_is_bad_for_all(self):
        good, bad = self.copy_model("good"), self.copy_model("bad")
        os.truncate(bad[3], 4096)
        code, lines, _ = self.greedy(good[0], good[0], bad[0])
        self.assertEqual(code, 3)
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("error[GGUF-69]: ") and lines[0].endswith("(rank 2)"), lines[0])
        self.assertIn(bad[3].name, lines[0])
        code, lines, _ = self.greedy(bad[0], bad[0], bad[0])
        self.assertEqual((code, len(lines)), (3, 1), lines)
        self.assertNotIn("(rank", lines[0])

    def test_another_fine_tune_on_one_node(self):
        good, other = self.copy_model("good"), self.copy_model("other")
        data = bytearray(other[3].read_bytes())
        data[8192:] = bytes(255 - byte for byte in data[8192:])  # other weights, the same header
        other[3].write_bytes(data)
        code, lines, log = self.greedy(good[0], other[0])
        self.assertEqual((code, len(lines)), (3, 1), log)
        self.assertIn("rank 1 has another shard 4 than rank 0", lines[0])
        self.assertIn("shard 4: rank 1 on", log)

    def test_a_file_that_shrinks_ends_the_rank_by_name(self):
        shards = self.copy_model("shrinking")
        server = self.serve("--ranks", 2, model=str(shards[0]))
        server.generate("-p", "A mutex is", "-n", 4)
        os.truncate(shards[3], 4096)
        client = self.start("generate", "--server", server.address, "-p", "A mutex is", "-n", 64)
        client.communicate(timeout=30)
        self.assertEqual(client.returncode, 7)
        # It cannot come back, the file is cut short now; what may be tried is tried.
        self.assertEqual(server.process.wait(60), 7, server.log)
        server.reader.join()
        log = "\n".join(server.log)
        self.assertRegex(log, rf"GGUF-90\]: .*{shards[3].name}: .*restart this rank \(rank \d\)")
        self.assertIn("GGUF-69", server.log[-1])


if __name__ == "__main__":
    unittest.main()
