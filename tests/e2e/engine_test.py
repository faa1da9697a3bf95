#!/usr/bin/env python3
"""shoal-engine under a bare mpirun: the reference's tokens at every width, and plans replayed."""
import json
import os
import subprocess
import unittest

from shoal_cli import BIN, GOLDEN, MODEL, TESTS, ShoalTest, golden_cases, ids, sure_tokens


class EngineTest(ShoalTest):
    def mpirun(self, ranks, *args):
        as_root = ["--allow-run-as-root"] if os.getuid() == 0 else []
        command = ["mpirun", "-np", str(ranks), *as_root, "--oversubscribe", "--bind-to", "none", "--mca", "btl",
                   "self,vader,tcp", str(BIN / "shoal-engine"), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=self.env)

    def tearDown(self):
        for left in (self.tmp / "t").glob("ompi.*"):  # mpirun's own folder, which it may keep
            subprocess.run(["rm", "-rf", left], check=True)
        super().tearDown()

    def test_greedy_and_replay(self):
        case = golden_cases()[0]
        sure = sure_tokens(case)
        for ranks, shape in ((1, []), (3, []), (4, ["--pp", 2])):
            result = self.mpirun(ranks, "greedy", "-m", MODEL, "--prompt-ids", ids(case), "-n", len(sure), "--json", *shape)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(json.loads(result.stdout)["token_ids"][:len(sure)], sure, (ranks, shape))

        script = self.tmp / "plans"
        n = len(case["prompt_ids"])
        script.write_text(
            f"# the prompt, then two tokens\n"
            f"step 1 epoch 1 cap {n} | admit 1 home 0 slot 0 prompt {n} temp 0 seed 0 | run 1 start 0 tokens {ids(case)} "
            f"blocks 0,1 sample\n"
            f"step 2 epoch 1 cap 1 | run 1 start {n} tokens prev sample\n"
            f"step 3 epoch 1 cap 1 | run 1 start {n + 1} tokens prev sample\n")
        result = self.mpirun(2, "replay", "-m", MODEL, "-f", script)
        self.assertEqual(result.returncode, 0, result.stderr)
        tokens = [int(line.split(" token ")[1].split()[0]) for line in result.stdout.splitlines()]
        self.assertEqual(tokens, case["output_ids"][:3])

    def test_perplexity(self):
        golden = json.loads((GOLDEN / "UD-Q4_K_XL.perplexity.json").read_text())["mean_nll_per_chunk"]
        result = self.mpirun(2, "perplexity", "-m", MODEL, "-f", TESTS / "data/eval_text.txt", "--chunks", 2)
        self.assertEqual(result.returncode, 0, result.stderr)
        chunks = {int(line.split()[1].rstrip(":")): float(line.split()[2]) for line in result.stdout.splitlines()}
        self.assertEqual(sorted(chunks), [1, 2])
        for chunk, nll in chunks.items():
            self.assertAlmostEqual(nll, golden[chunk - 1], delta=0.02)

    def test_bad_input_is_one_kind_of_line_on_every_rank(self):
        result = self.mpirun(2, "greedy", "-m", self.tmp / "none.gguf", "-p", "x")
        errors = {line for line in result.stderr.splitlines() if line.startswith("error")}
        self.assertEqual(len(errors), 1, result.stderr)
        self.assertEqual(result.returncode, 3, result.stderr)


if __name__ == "__main__":
    unittest.main()
