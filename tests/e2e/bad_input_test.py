#!/usr/bin/env python3
"""Bad input: one line that names it, the documented exit code, no hang, nothing left."""
import shutil
import socket
import unittest
from pathlib import Path

from shoal_cli import MODEL, ShoalTest


class BadInputTest(ShoalTest):
    def copy_model(self):
        folder = self.tmp / "model"
        folder.mkdir()
        for shard in Path(MODEL).parent.glob("*Q4_K_XL*.gguf"):
            shutil.copy(shard, folder)
        return sorted(folder.glob("*.gguf"))

    def generate(self, *args):
        return self.run_shoal("generate", *args, timeout=30)

    def test_usage(self):
        for args, code, word in (
            (["-m", MODEL, "--rank", "2", "-p", "x"], 2, "--ranks"),
            (["-m", MODEL, "-ngl", "99", "-p", "x"], 2, "-ngl"),
            (["-m", MODEL, "--ranks", "2", "--pp", "2", "-p", "x"], 2, "contradict"),
            (["-m", MODEL, "--ranks", "two", "-p", "x"], 2, "two"),
            (["-m", MODEL, "--ranks", "17", "-p", "x"], 2, "16 experts"),
            (["-m", MODEL, "--backend", "cuda", "-p", "x"], 2, "CUDA"),
            (["-m", MODEL, "-c", "99999", "-p", "x"], 2, "32768"),
            (["-m", MODEL], 2, "-p TEXT"),
            (["-p", "x"], 2, "-m FILE"),
            (["-m", MODEL, "--cluster", "/nonexistent.yaml", "-p", "x"], 2, "/nonexistent.yaml"),
            (["-m", MODEL, "--temp", "-1", "-p", "x"], 6, "-1"),
            (["--server", "127.0.0.1:1", "-p", "x"], 4, "127.0.0.1:1"),
        ):
            with self.subTest(args=args):
                self.assert_one_line_error(self.generate(*args), code, word)

    def test_hosts_that_cannot_be(self):
        cluster = self.tmp / "cluster.yaml"
        run = lambda: self.generate("-m", MODEL, "--cluster", cluster, "-p", "x")
        cluster.write_text("hosts: [no-such-host.invalid, b.invalid]\nranks: 2\n")
        self.assert_one_line_error(run(), 2, "no-such-host.invalid", "--control-host")
        cluster.write_text("hosts:\n  - {name: 127.0.0.1, slots: 1}\nranks: 2\n")
        self.assert_one_line_error(run(), 2, "do not fit")

    def test_model_files(self):
        shards = self.copy_model()
        shards[2].rename(self.tmp / "away")
        self.assert_one_line_error(self.generate("-m", shards[0], "--ranks", 2, "-p", "x"), 3, shards[2].name)
        (self.tmp / "away").rename(shards[2])

        whole = shards[3].read_bytes()
        shards[3].write_bytes(whole[:-1])
        self.assert_one_line_error(self.generate("-m", shards[0], "--ranks", 2, "-p", "x"), 3, shards[3].name)
        shards[3].write_bytes(shards[2].read_bytes())
        self.assert_one_line_error(self.generate("-m", shards[0], "--ranks", 2, "-p", "x"), 3, shards[3].name)
        self.assert_one_line_error(self.generate("-m", self.tmp / "none.gguf", "-p", "x"), 3, "none.gguf")

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for flag in ("--grpc-port", "--http-port"):
                other = "--http-port" if flag == "--grpc-port" else "--grpc-port"
                result = self.run_shoal("serve", "-m", MODEL, flag, port, other, 0, timeout=30)
                self.assert_one_line_error(result, 2, str(port))

    def test_no_mpirun(self):
        self.env["PATH"] = str(self.tmp)
        self.assert_one_line_error(self.generate("-m", MODEL, "-p", "x"), 4, "mpirun")

    def test_requests(self):
        server = self.serve("--ranks", 2)
        for args, word in (
            (["--prompt-ids", ",".join(["5"] * 1024), "-n", "4"], "1,024"),
            (["-p", "x", "--temp", "-1"], "-1"),
            (["--prompt-ids", "8448"], "8448"),
            (["-p", ""], "empty"),
        ):
            with self.subTest(word=word):
                result = self.generate("--server", server.address, *args)
                self.assert_one_line_error(result, 6, word)
        # and the server is as well as before
        self.assertEqual(len(server.generate("-p", "A mutex is", "-n", 4)["token_ids"]), 4)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
