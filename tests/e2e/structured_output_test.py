#!/usr/bin/env python3
"""Schemas, regular expressions and grammars on a server of two ranks."""
import json
import re
import unittest

from shoal_cli import ShoalTest

SCHEMA = {"type": "object", "required": ["name", "size"], "additionalProperties": False,
          "properties": {"name": {"type": "string", "maxLength": 12}, "size": {"type": "integer", "minimum": 1, "maximum": 99},
                         "kind": {"enum": ["cat", "dog"]}}}


class StructuredOutputTest(ShoalTest):
    def test_texts_are_what_was_asked_for(self):
        server = self.serve("--ranks", 2)
        schema = self.tmp / "schema.json"
        schema.write_text(json.dumps(SCHEMA))
        grammar = self.tmp / "answer.gbnf"
        grammar.write_text('root ::= answer ("," answer){1,2}\nanswer ::= "yes" | "no"\n')
        for seed in (1, 2):
            drawn = ["-p", "An answer: ", "-n", 200, "--temp", 1, "--seed", seed]
            value = json.loads(server.generate(*drawn, "--json-schema", json.dumps(SCHEMA))["text"])
            self.assertLessEqual(set(value), {"name", "size", "kind"})
            self.assertTrue(1 <= value["size"] <= 99 and len(value["name"]) <= 12)
            self.assertIn(value.get("kind", "cat"), ("cat", "dog"))
            self.assertEqual(json.loads(server.generate(*drawn, "--json-schema-file", schema)["text"]), value)
            text = server.generate(*drawn, "--regex", r"[A-Z]{2}-\d{3}(, [a-c]{1,4}){1,2}!")["text"]
            self.assertRegex(text, r"\A[A-Z]{2}-\d{3}(, [a-c]{1,4}){1,2}!\Z")
            text = server.generate(*drawn, "--grammar-file", grammar)
            self.assertTrue(re.fullmatch(r"(yes|no)(,(yes|no)){1,2}", text["text"]), text)
            self.assertEqual(text["finish_reason"], "stop")

        for flags, words in ((["-j", '{"type":"array","uniqueItems":true}'], "'uniqueItems' is not supported"),
                             (["--regex", r"(a)\1"], "backreference"),
                             (["--grammar", 'root ::= root "a" | "b"'], "left recursion"),
                             (["--regex", "a", "--ignore-eos"], "ignore_eos")):
            result = self.run_shoal("generate", "--server", server.address, "-p", "x", *flags)
            self.assertEqual(result.returncode, 6, result.stderr)
            self.assertIn(words, result.stderr)
        result = self.run_shoal("generate", "--server", server.address, "-p", "x", "--regex", "a", "--grammar", 'root ::= "a"')
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
