#!/usr/bin/env python3
"""shoal compare: the same file against itself, saved logits, and the demo's three quantisations."""
import json
import unittest
from pathlib import Path

from shoal_cli import MODEL, TESTS, ShoalTest

TEXT = TESTS / "data/eval_text.txt"
SHARED = TESTS.parents[1] / "shared"


class CompareTest(ShoalTest):
    def test_a_file_against_itself_and_against_its_saved_logits(self):
        page, saved = self.tmp / "page.html", self.tmp / "logits"
        got = self.json("compare", "-m", MODEL, "-m", MODEL, "-f", TEXT, "-c", 256, "--chunks", 2, "-n", 4, "-r", 2,
                        "--html", page, "--save-all-logits", saved, "--json")
        first, second = got["models"]
        self.assertTrue(first["is_base"])
        self.assertEqual(first["perplexity"], second["perplexity"])
        self.assertEqual(second["same_top"]["value"], 1)
        # The base's logits went through the file, which keeps 16 nats in 65535 steps.
        self.assertLess(second["kl_divergence"]["p99"]["value"], 1e-6)
        self.assertGreater(second["tokens_per_second"]["value"], 0)
        self.assertIn("is as large as", got["verdicts"][0])
        self.assertIn("within noise", got["verdicts"][0])
        html = page.read_text()
        self.assertIn("<svg", html)
        self.assertNotIn("://", html)

        plain = self.json("perplexity", "-m", MODEL, "-f", TEXT, "-c", 256, "--chunks", 2, "--json")
        self.assertEqual(first["mean_nll_per_chunk"], plain["mean_nll_per_chunk"])

        alone = self.run_shoal("compare", "-m", MODEL, "--base", saved, "-n", 0)
        self.assertEqual(alone.returncode, 0, alone.stderr)
        self.assertIn("base: saved logits logits", alone.stdout)
        (self.tmp / "other").write_text("Another text. " * 200)
        self.assert_refused("--base", saved, "-f", self.tmp / "other", words=["another text or tokenizer"])

    def assert_refused(self, *args, words):
        result = self.run_shoal("compare", "-m", MODEL, *args)
        self.assertEqual(result.returncode, 2, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_what_cannot_be_compared_is_said_before_anything_runs(self):
        self.assert_refused("-f", TEXT, words=["one model has nothing to be compared with"])
        self.assert_refused("-m", MODEL, words=["no text"])
        self.assert_refused("-m", MODEL, "-f", TEXT, "-r", 0, words=["--repetitions is 0"])

    def test_a_bad_last_model_is_refused_before_the_first_runs(self):
        result = self.run_shoal("compare", "-m", MODEL, "-m", TEXT, "-f", TEXT)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("GGUF-03", result.stderr)
        self.assertNotIn("[1/2]", result.stderr)

    def test_the_demos_quantisations_stand_in_their_known_order(self):
        files = [SHARED / f"models/Shoal-Demo-36M-{quant}-00001-of-00005.gguf"
                 for quant in ("UD-Q4_K_XL", "UD-Q3_K_XL", "MXFP4_MOE")]
        if not all(f.exists() for f in files):
            self.skipTest("the demo's Q3 and MXFP4 files are not beside the repository")
        models = [arg for f in files for arg in ("-m", f)]
        got = self.json("compare", *models, "-f", TEXT, "--chunks", 4, "-n", 0, "--json")
        for quant, model in zip(("UD-Q4_K_XL", "UD-Q3_K_XL", "MXFP4_MOE"), got["models"]):
            golden = json.loads((SHARED / f"data/golden/{quant}.perplexity.json").read_text())
            # 0.02 nats a chunk: what quantised activations may cost (the acceptance check's bound)
            for ours, theirs in zip(model["mean_nll_per_chunk"], golden["mean_nll_per_chunk"]):
                self.assertAlmostEqual(ours, theirs, delta=0.02)
        size = sum(Path(str(files[1]).replace("00001-of", f"0000{i}-of")).stat().st_size for i in range(1, 6))
        self.assertEqual(got["models"][1]["bytes"], size)
        self.assertIn("is 16 % smaller than Shoal-Demo-36M-UD-Q4_K_XL", got["verdicts"][0])
        self.assertGreater(got["models"][1]["kl_divergence"]["mean"]["value"], 0)


if __name__ == "__main__":
    unittest.main()
