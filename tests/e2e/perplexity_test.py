#!/usr/bin/env python3
"""perplexity and bench on private clusters: figures against the reference, and the file of logits."""
import json
import unittest

from shoal_cli import GOLDEN, MODEL, TESTS, ShoalTest


class PerplexityTest(ShoalTest):
    def test_chunks_equal_the_reference_and_the_saved_file_reads_back(self):
        golden = json.loads((GOLDEN / "UD-Q4_K_XL.perplexity.json").read_text())
        saved = self.tmp / "logits"
        got = self.json("perplexity", "-m", MODEL, "--ranks", 2, "-f", TESTS / "data/eval_text.txt", "-c", 512,
                        "--chunks", 2, "--save-all-logits", saved, "--json")
        self.assertEqual(got["tokens"], 2 * 255)
        # 0.02 nats a chunk: what quantised activations may cost (the acceptance check's bound)
        for ours, theirs in zip(got["mean_nll_per_chunk"], golden["mean_nll_per_chunk"]):
            self.assertAlmostEqual(ours, theirs, delta=0.02)
        self.assertEqual(saved.stat().st_size, 20 + 4 * 1024 + 2 * 2 * 255 * (8448 + 4))

        again = self.json("perplexity", "-m", MODEL, "--ranks", 1, "--kl-divergence-base", saved, "--kl-divergence", "--json")
        # One rank computes the same bits as two; the file keeps 16 nats in 65535 steps.
        self.assertLess(again["kl_divergence"]["max"], 1e-6)
        self.assertEqual(again["mean_nll_per_chunk"], got["mean_nll_per_chunk"])

    def test_bench_has_llama_benchs_shape(self):
        rows = self.json("bench", "-m", MODEL, "-p", 32, "-n", 8, "-npl", "1,2", "-r", 2, "-o", "json")
        self.assertEqual([(r["n_prompt"], r["n_gen"], r["n_parallel"]) for r in rows],
                         [(32, 0, 1), (0, 8, 1), (32, 0, 2), (0, 8, 2)])
        for row in rows:
            self.assertGreater(row["avg_ts"], 0)
            self.assertEqual(len(row["samples_ts"]), 2)


if __name__ == "__main__":
    unittest.main()
