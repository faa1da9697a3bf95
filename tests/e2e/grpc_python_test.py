#!/usr/bin/env python3
"""launch/shoal_client.py, as somebody would use it who copied it."""
import json
import subprocess
import unittest
from pathlib import Path

from client_venv import python_with
from shoal_cli import BIN, ShoalTest, golden_cases, ids

CLIENT = Path(__file__).resolve().parents[2] / "launch/shoal_client.py"
CALLS = """
import json, sys
sys.path.insert(0, {folder!r})
import grpc
from shoal_client import ShoalClient
with ShoalClient({address!r}, {protoset!r}) as client:
    streamed = "".join(client.stream(token_ids={ids}, max_tokens=32, temperature=0))
    whole = client.generate(token_ids={ids}, max_tokens=32, temperature=0)
    try:
        client.generate(text="x", temperature=-1)
        code = None
    except grpc.RpcError as error:
        code = error.code().name
    watched = next(client.call("ClusterService/WatchCluster", {{"interval": "0.2s"}}, timeout=10))
    print(json.dumps({{"streamed": streamed, "whole": whole.text, "ids": list(whole.token_ids), "code": code,
                      "ranks": len(watched.cluster.ranks),
                      "model": client.call("ModelService/ListModels").models[0].name}}))
"""


class PythonClientTest(ShoalTest):
    def test_one_file_client(self):
        python, why_not = python_with("grpcio==1.85.3", "protobuf==7.36.2")
        if python is None:
            self.skipTest(why_not)
        server = self.serve("--ranks", 2)
        case = golden_cases()[0]
        direct = server.generate("--prompt-ids", ids(case), "-n", 32, "--temp", 0)
        code = CALLS.format(folder=str(CLIENT.parent), address=server.address, ids=case["prompt_ids"],
                            protoset=str(BIN.parent / "shoal.v1.binpb"))
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120, env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        got = json.loads(done.stdout)
        self.assertEqual(got["streamed"], direct["text"])
        self.assertEqual(got["whole"], direct["text"])
        self.assertEqual(got["ids"], direct["token_ids"])
        self.assertEqual(got["code"], "INVALID_ARGUMENT")
        self.assertEqual(got["ranks"], 2)
        self.assertEqual(server.stop(), 0)


class CallTest(ShoalTest):
    def test_call_by_name(self):
        server = self.serve("--ranks", 2, "--admin-port", 0)
        call = lambda *words, at=server.address: self.run_shoal("call", "--server", at, *words)
        self.assertIn("shoal.v1.InferenceService/Generate", self.run_shoal("call", "list").stdout.splitlines())
        self.assertIn("temperature", self.run_shoal("call", "describe", "SamplingOptions").stdout)
        model = json.loads(call("ModelService/GetModel").stdout)
        self.assertEqual(model["architecture"], "qwen35moe")
        events = call("StreamGenerate", '{"spec": {"text": "A", "stop": {"max_tokens": 3}}}').stdout.splitlines()
        self.assertIn("accepted", json.loads(events[0]))
        self.assertIn("finished", json.loads(events[-1]))
        placement = json.loads(call("GetPlacement").stdout)
        self.assertEqual([e["ranks"] for e in placement["stages"][0]["experts"]].count([1]), 8)
        self.assert_one_line_error(call("GetModel", '{"nothing": 1}'), 2, "GetModelRequest")
        self.assert_one_line_error(call("NoSuch"), 2, "list")
        # The admin service is not on the public port, and closes it.
        self.assert_one_line_error(call("AdminService/Drain"), 6, "UNIMPLEMENTED")
        admin = server.line.split("admin ")[1].strip()
        self.assertEqual(call("AdminService/Drain", at=admin).returncode, 0)
        refused = self.run_shoal("generate", "--server", server.address, "-p", "A", "-n", 2)
        self.assert_one_line_error(refused, 6, "UNAVAILABLE")
        self.assertEqual(call("AdminService/Resume", at=admin).returncode, 0)
        self.assertEqual(len(server.generate("-p", "A", "-n", 2)["token_ids"]), 2)
        # 160 tokens leave a text in the prefix cache, which says what it held.
        long_prompt = ",".join(map(str, range(1000, 1160)))
        server.generate("--prompt-ids", long_prompt, "-n", 1)
        self.assertGreater(server.generate("--prompt-ids", long_prompt, "-n", 1)["usage"]["cached_tokens"], 0)
        flushed = json.loads(call("FlushCache", at=admin).stdout)
        self.assertGreater(flushed["texts"], 0)
        self.assertGreater(flushed["blocks"], 0)
        self.assertGreater(int(flushed["bytes"]), 0)
        self.assertEqual(server.generate("--prompt-ids", long_prompt, "-n", 1)["usage"]["cached_tokens"], 0)
        self.assertEqual(len(json.loads(call("DumpState", at=admin).stdout)["cluster"]["ranks"]), 2)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
