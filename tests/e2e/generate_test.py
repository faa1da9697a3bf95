#!/usr/bin/env python3
"""Text, ids and figures of generate, chat and status, on private clusters and on a server."""
import unittest
import urllib.request

from shoal_cli import MODEL, ShoalTest, golden_cases, ids, sure_tokens


class GenerateTest(ShoalTest):
    def test_private_cluster_equals_the_reference(self):
        for case in golden_cases()[:2]:
            result = self.json("generate", "-m", MODEL, "--ranks", 2, "-c", 512, "--json",
                               "--prompt-ids", ids(case), "-n", 64)
            sure = sure_tokens(case)
            self.assertEqual(result["token_ids"][:len(sure)], sure)
            self.assertEqual(result["prompt_token_ids"], case["prompt_ids"])
            self.assertEqual(result["usage"]["prompt_tokens"], len(case["prompt_ids"]))
            self.assertEqual(result["usage"]["completion_tokens"], len(result["token_ids"]))
            self.assertIn(result["finish_reason"], ("stop", "length"))
            self.assertGreater(result["timings"]["decode_tps"], 0)

    def test_text_goes_to_stdout_and_figures_to_stderr(self):
        result = self.run_shoal("generate", "-m", MODEL, "--ranks", 3, "-c", 512, "--chat", "What is a mutex?", "-n", 16)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.strip())
        self.assertNotIn("tokens/s", result.stdout)
        self.assertIn("16 tokens (", result.stderr)
        # 16 experts over 3 ranks: 6 + 5 + 5
        for experts in ("0..5", "6..10", "11..15"):
            self.assertIn(experts, result.stderr)

    def test_a_server_answers_every_case_like_the_reference(self):
        server = self.serve("--ranks", 3)
        for case in golden_cases():
            got = server.generate("--prompt-ids", ids(case), "-n", 64)
            sure = sure_tokens(case)
            self.assertEqual(got["token_ids"][:len(sure)], sure, case.get("user") or case.get("text"))
            if got["token_ids"] == case["output_ids"]:
                self.assertEqual(got["text"], case["output_text"])

        case = next(c for c in golden_cases() if "user" in c)
        by_ids = server.generate("--prompt-ids", ids(case), "-n", 32)
        by_chat = server.generate("--chat", case["user"], "-n", 32)
        self.assertEqual(by_chat["prompt_token_ids"], case["prompt_ids"])
        self.assertEqual(by_chat["text"], by_ids["text"])

        # A stop string cuts exactly before its first match.
        word = by_ids["text"].split()[3]
        cut = server.generate("--prompt-ids", ids(case), "-n", 32, "--stop", word)
        self.assertEqual(cut["text"], by_ids["text"][:by_ids["text"].index(word)])
        self.assertEqual(cut["finish_reason"], "stop")

        # The same seed draws the same text.
        drawn = [server.generate("--prompt-ids", ids(case), "-n", 24, "--temp", 1, "--seed", 7)["token_ids"] for _ in range(2)]
        self.assertEqual(drawn[0], drawn[1])

        # Raw text from a file, byte for byte; ill-formed UTF-8 is repaired, not refused.
        raw = self.tmp / "prompt"
        raw.write_bytes(b"A mutex \xff is")
        self.assertEqual(server.generate("-f", raw, "-n", 4)["usage"]["completion_tokens"], 4)
        self.assertEqual(server.stop(), 0)

    def test_choices_of_one_prompt(self):
        server = self.serve("--ranks", 2)
        words = ["--prompt-ids", ids(golden_cases()[0]), "-n", 12, "--temp", 1, "--seed", 7]
        out = server.generate(*words, "--choices", 3, "--logprobs", 0)
        self.assertEqual([choice["index"] for choice in out["choices"]], [0, 1, 2])
        self.assertEqual(len({choice["seed"] for choice in out["choices"]}), 3)
        self.assertEqual(out["text"], out["choices"][0]["text"])
        self.assertEqual(out["usage"]["completion_tokens"], sum(len(c["token_ids"]) for c in out["choices"]))
        # Each is what its seed alone gives.
        for choice in out["choices"]:
            alone = server.generate(*words[:-1], choice["seed"])
            self.assertEqual((alone["text"], alone["token_ids"]), (choice["text"], choice["token_ids"]))
            self.assertEqual([entry["token_id"] for entry in choice["logprobs"]], choice["token_ids"])
        text = self.run_shoal("generate", "--server", server.address, *words, "--choices", 3).stdout
        want = "".join("== choice {} of 3 ({})\n{}\n".format(c["index"] + 1, c["finish_reason"], c["text"].removesuffix("\n"))
                       for c in out["choices"])
        self.assertEqual(text, want)
        refused = self.run_shoal("generate", "--server", server.address, *words, "--choices", 65)
        self.assert_one_line_error(refused, 6, "--choices", "1..64")
        self.assertEqual(server.stop(), 0)

    def test_status_counts_bytes_and_ranks(self):
        server = self.serve("--ranks", 3)
        server.generate("--prompt-ids", "8193,2608", "-n", 8)
        status = server.status()
        self.assertEqual((status["phase"], status["epoch"], len(status["ranks"])), ("serving", 1, 3))
        self.assertEqual([r["num_experts"] for r in status["ranks"]], [6, 5, 5])
        info = self.json("inspect", "-m", MODEL, "--json")
        expert_bytes = sum(m["bytes"] for m in info["quant_mix"] if "routed" in m["class"])
        self.assertEqual(sum(r["expert_bytes"] for r in status["ranks"]), expert_bytes)
        for rank, experts in zip(status["ranks"], (6, 5, 5)):
            self.assertEqual(rank["expert_bytes"], expert_bytes * experts // 16)
        self.assertGreater(sum(r["expert_rows"] for r in status["ranks"]), 0)
        self.assertGreater(sum(r["bytes_sent"] for r in status["ranks"]), 0)
        text = self.run_shoal("status", "--server", server.address).stdout
        self.assertIn("serving", text)
        with urllib.request.urlopen(server.http + "/health", timeout=10) as health:
            self.assertEqual(health.status, 200)
        self.assertEqual(server.stop(), 0)

    def test_chat_keeps_history_until_reset(self):
        server = self.serve("--ranks", 1)
        lines = "What is a mutex?\n/reset\nWhat is a mutex?\n/exit\nnever read\n"
        result = self.run_shoal("chat", "--server", server.address, "--temp", 0, "-n", 12, input=lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        replies = result.stdout.strip()
        half = len(replies) // 2
        self.assertEqual(replies[:half].strip(), replies[half:].strip())
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
