"""The programs as a user runs them, for tests: start, read, kill, and see that nothing is left.

Every process that a test starts carries a mark in its environment, which mpirun and the workers
inherit; whoever still carries it afterwards was left behind.
"""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import uuid
from pathlib import Path

BIN = Path(os.environ.get("SHOAL_BIN", Path(__file__).resolve().parents[2] / "build/bin"))
SHOAL = str(BIN / "shoal")
TESTS = Path(__file__).resolve().parents[1]
MODEL = str(TESTS / "models/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf")
GOLDEN = TESTS / "data/golden"


def golden_cases():
    return [json.loads(line) for line in (GOLDEN / "UD-Q4_K_XL.greedy.jsonl").read_text().splitlines()]


def sure_tokens(case):
    """The reference's tokens up to the first step where two tokens were about equally likely."""
    n = next((i for i, margin in enumerate(case["margins"]) if margin < 0.1), len(case["output_ids"]))
    return case["output_ids"][:n]


def ids(case):
    return ",".join(map(str, case["prompt_ids"]))


class ShoalTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="e2e-", dir="/tmp")
        self.tmp = Path(self.folder.name)
        (self.tmp / "t").mkdir()
        self.mark = uuid.uuid4().hex
        self.env = {**os.environ, "SHOAL_TEST_MARK": self.mark, "TMPDIR": str(self.tmp / "t")}
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.kill()
        self.assert_nothing_left()
        self.folder.cleanup()

    def processes(self, name=None):
        """Pids that carry our mark, maybe only those of one program."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if self.mark.encode() not in (entry / "environ").read_bytes():
                    continue
                if (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                    continue
                if name is None or (entry / "comm").read_text().strip() == name[:15]:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def wait_for(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        self.fail(f"{what} did not happen within {seconds} s")

    def assert_nothing_left(self):
        end = time.monotonic() + 2
        while self.processes() and time.monotonic() < end:
            time.sleep(0.02)
        left = [(pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")[:120]) for pid in self.processes()]
        for pid, _ in left:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(left, [], "processes were left behind")
        self.assertEqual([p.name for p in (self.tmp / "t").iterdir()], [], "temporary files were left behind")

    def start(self, *args, **kwargs):
        return subprocess.Popen([SHOAL, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.env, **kwargs)

    def run_shoal(self, *args, timeout=120, input=None):
        return subprocess.run([SHOAL, *map(str, args)], capture_output=True, text=True, env=self.env,
                              timeout=timeout, input=input)

    def json(self, *args, timeout=120):
        result = self.run_shoal(*args, timeout=timeout)
        self.assertEqual(result.returncode, 0, result.stderr[-1000:])
        return json.loads(result.stdout)

    def assert_one_line_error(self, result, code, *words):
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        self.assertEqual(result.returncode, code, result.stderr[-1000:])
        self.assertEqual(len(lines), 1, result.stderr[-2000:])
        self.assertTrue(lines[0].startswith("error"), lines[0])
        for word in words:
            self.assertIn(word, lines[0])

    def serve(self, *args, model=MODEL, wait=True):
        server = Server(self, model, args)
        self.servers.append(server)
        if wait:
            server.wait_ready()
        return server


class Server:
    def __init__(self, test, model, args):
        self.test = test
        self.process = test.start("serve", "-m", model, "-c", 1024, "--grpc-port", 0, "--http-port", 0, *args)
        self.log = []
        self.reader = threading.Thread(target=lambda: [self.log.append(line) for line in self.process.stderr], daemon=True)
        self.reader.start()
        self.address = None

    def wait_ready(self, seconds=90):
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        self.line = self.process.stdout.readline()
        timer.cancel()
        if not self.line:
            self.process.wait()
            self.test.fail(f"no ready line: {''.join(self.log)[-1000:]}")
        self.address = self.line.split("gRPC ")[1].split(",")[0].strip()
        self.http = self.line.split("HTTP ")[1].split(",")[0].strip()

    def generate(self, *args):
        return self.test.json("generate", "--server", self.address, "--json", *args)

    def status(self):
        return self.test.json("status", "--server", self.address, "--json")

    def stop(self, sig=signal.SIGTERM, seconds=20):
        self.process.send_signal(sig)
        self.process.wait(seconds)
        self.reader.join(2)
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(2)
        self.process.stdout.close()
        self.process.stderr.close()
