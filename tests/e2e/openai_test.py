#!/usr/bin/env python3
"""The HTTP door as the public `openai` client sees it (openai_calls.py runs inside its package)."""
import json
import socket
import subprocess
import unittest
import urllib.request
from pathlib import Path

from client_venv import python_with
from shoal_cli import ShoalTest, golden_cases, ids

PACKAGE = "openai==3.57.0"
KEY = "sk-test-0123456789abcdef"


class OpenAiTest(ShoalTest):
    def test_the_public_client(self):
        python, why_not = python_with(PACKAGE)
        if python is None:
            self.skipTest(why_not)
        keys = self.tmp / "keys"
        keys.write_text(f"tester {KEY}\n")
        keys.chmod(0o600)
        server = self.serve("--ranks", 2, "--api-key-file", keys)
        case = next(c for c in golden_cases() if "user" in c)
        direct = server.generate("--api-key-file", keys, "--prompt-ids", ids(case), "-n", 48, "--temp", 0)
        facts = {"url": server.http + "/v1", "key": KEY, "user": case["user"], "text": direct["text"],
                 "prompt_ids": case["prompt_ids"], "token_ids": direct["token_ids"]}
        script = Path(__file__).with_name("openai_calls.py")
        done = subprocess.run([python, str(script), json.dumps(facts)], capture_output=True, text=True,
                              timeout=300, env={**self.env, "SHOAL_FACTS": json.dumps(facts)})
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        self.assertNotIn(KEY, "".join(server.log))
        self.assertNotIn(case["user"], "".join(server.log))
        self.assertEqual(server.stop(), 0)

    def test_a_client_that_leaves_frees_its_sequence(self):
        server = self.serve("--ranks", 1)
        host, port = server.http.removeprefix("http://").split(":")
        for stream in (True, False):
            body = json.dumps({"prompt": "A", "max_tokens": 900, "ignore_eos": True, "stream": stream}).encode()
            with socket.create_connection((host, int(port))) as client:
                client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                self.wait_for(lambda: self.running(server) == 1, 20, "the start of the request")
            self.wait_for(lambda: self.running(server) == 0, 5, "the end of the request")
        self.assertIn(b'finish_reason="cancelled"', self.get(server, "/metrics"))
        self.assertEqual(server.stop(), 0)

    def get(self, server, path):
        return urllib.request.urlopen(server.http + path, timeout=10).read()

    def running(self, server):
        for line in self.get(server, "/metrics").decode().splitlines():
            if line.startswith("shoal_requests_running "):
                return int(float(line.split()[1]))


if __name__ == "__main__":
    unittest.main()
