#!/usr/bin/env python3
"""Who may reach a server: refused addresses, keys and their files, TLS, and what logs never say."""
import os
import socket
import subprocess
import unittest
from pathlib import Path

from shoal_cli import MODEL, ShoalTest

KEY = "sk-user-0123456789abcdef"
ADMIN_KEY = "sk-admin-0123456789abcdef"


class AccessTest(ShoalTest):
    def key_file(self, name, key, mode=0o600):
        path = self.tmp / name
        path.write_text(f"{name} {key}\n")
        path.chmod(mode)
        return path

    def make_certificates(self):
        """An authority of our own and a certificate for 127.0.0.1, with the openssl program."""
        def run(*words, **kwargs):
            done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, **kwargs)
            self.assertEqual(done.returncode, 0, done.stderr)
        t = self.tmp
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", t / "ca.key", "-out", t / "ca.pem",
            "-days", 2, "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE")
        (t / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        for name in ("server", "client"):
            run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", t / f"{name}.key", "-out", t / f"{name}.csr",
                "-subj", f"/CN={name}")
            run("x509", "-req", "-in", t / f"{name}.csr", "-CA", t / "ca.pem", "-CAkey", t / "ca.key",
                "-CAcreateserial", "-days", 2, "-extfile", t / "names", "-out", t / f"{name}.pem")

    def assert_job_secrets_are_in_no_arguments(self):
        worker = self.processes("shoal-worker")[0]
        environment = dict(entry.split(b"=", 1) for entry in Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
                           if b"=" in entry)
        secrets = [environment[b"SHOAL_JOB_TOKEN"], *environment[b"SHOAL_JOB_CREDENTIALS"].split(b":")]
        self.assertEqual(len(secrets), 4)
        for pid in self.processes():
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            for secret in secrets:
                self.assertGreater(len(secret), 20)
                self.assertNotIn(secret, arguments)

    def test_open_doors_are_refused(self):
        keys = self.key_file("user", KEY)
        serve = lambda *args: self.run_shoal("serve", "-m", MODEL, "--grpc-port", 0, "--http-port", 0, *args)
        self.assert_one_line_error(serve("--host", "0.0.0.0"), 2, "TLS", "--insecure")
        self.assert_one_line_error(serve("--host", "::"), 2, "TLS")
        self.assert_one_line_error(serve("--host", "0.0.0.0", "--api-key-file", keys), 2, "plain text")
        self.assert_one_line_error(serve("--host", "nowhere"), 2, "--host")
        self.assert_one_line_error(serve("--tls-cert", "x"), 2, "--tls-key")
        self.assert_one_line_error(serve("--tls-cert", "/absent", "--tls-key", "/absent"), 2, "--tls-cert")
        self.assert_one_line_error(serve("--api-key-file", "/absent"), 2, "/absent")
        readable = self.key_file("readable", KEY, 0o644)
        self.assert_one_line_error(serve("--api-key-file", readable), 2, "0600")
        self.assert_one_line_error(serve("--api-key-file", keys, "--admin-port", 0), 2, "--admin-key-file")

    def test_keys_and_roles(self):
        keys, admin_keys = self.key_file("user", KEY), self.key_file("admin", ADMIN_KEY)
        server = self.serve("--ranks", 1, "--api-key-file", keys, "--admin-port", 0, "--admin-key-file", admin_keys)
        admin = server.line.split("admin ")[1].strip()
        generate = lambda *more: self.run_shoal("generate", "--server", server.address, "-p", "A", "-n", 2, *more)
        self.assert_one_line_error(generate(), 6, "UNAUTHENTICATED")
        self.assertEqual(generate("--api-key-file", keys).returncode, 0)
        wrong = self.key_file("wrong", "sk-wrong-0123456789abcdef")
        self.assert_one_line_error(generate("--api-key-file", wrong), 6, "UNAUTHENTICATED")
        drain = lambda file: self.run_shoal("call", "--server", admin, "--api-key-file", file, "AdminService/Drain")
        self.assert_one_line_error(drain(keys), 6, "PERMISSION_DENIED")
        self.assertEqual(drain(admin_keys).returncode, 0)
        # No process says a key: not in its arguments, nor in what it logs.
        for pid in self.processes():
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            self.assertNotIn(KEY.encode(), arguments)
            self.assertNotIn(ADMIN_KEY.encode(), arguments)
        self.assert_job_secrets_are_in_no_arguments()
        self.assertEqual(server.stop(), 0)
        self.assertNotIn("sk-", "".join(server.log))

    def test_tls_on_both_doors(self):
        self.make_certificates()
        t = self.tmp
        keys = self.key_file("user", KEY)
        server = self.serve("--ranks", 1, "--host", "127.0.0.1", "--tls-cert", t / "server.pem",
                            "--tls-key", t / "server.key", "--tls-client-ca", t / "ca.pem", "--api-key-file", keys)
        self.assertTrue(server.http.startswith("https://"))
        mine = ["--tls-ca", t / "ca.pem", "--tls-cert", t / "client.pem", "--tls-key", t / "client.key",
                "--api-key-file", keys]
        status = lambda *more: self.run_shoal("status", "--server", server.address, *more)
        self.assertEqual(status(*mine).returncode, 0)
        self.assertEqual(status().returncode, 4)
        self.assertEqual(status("--tls-ca", t / "ca.pem", "--api-key-file", keys).returncode, 4)
        # openssl's own client: old versions and missing certificates are refused, TLS 1.3 is served.
        def probe(*words, host=server.http.removeprefix("https://")):
            done = subprocess.run(["openssl", "s_client", "-connect", host, "-CAfile", t / "ca.pem", "-quiet", *words],
                                  input=b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                  capture_output=True, timeout=20)
            return done.stdout
        certificate = ["-cert", str(t / "client.pem"), "-key", str(t / "client.key")]
        self.assertIn(b"200 OK", probe("-tls1_3", "-ign_eof", *certificate))
        self.assertNotIn(b"200 OK", probe("-tls1_1", "-ign_eof", *certificate))
        self.assertNotIn(b"200 OK", probe("-tls1_3", "-ign_eof"))
        # The gRPC door begins with its SETTINGS frame, once it has accepted the client.
        settings = lambda *words: b"\4\0\0\0\0\0" in probe(*words, "-alpn", "h2", host=server.address)[:16]
        self.assertTrue(settings("-tls1_2", *certificate))
        self.assertFalse(settings("-tls1_1", *certificate))
        self.assertFalse(settings("-tls1_2", "-cipher", "NULL:@SECLEVEL=0", *certificate))
        self.assertFalse(settings("-tls1_3"))
        self.assertEqual(server.stop(), 0)

    def test_http2_abuse_leaves_the_server_alive(self):
        server = self.serve("--ranks", 1)
        host, port = server.address.split(":")
        frame = lambda kind, flags, stream, payload=b"": (len(payload).to_bytes(3, "big") + bytes([kind, flags])
                                                          + stream.to_bytes(4, "big") + payload)
        literal = lambda index, text: bytes([index, len(text)]) + text
        headers = (b"\x83\x86" + literal(0x04, b"/grpc.health.v1.Health/Check") + literal(0x01, b"x")
                   + b"\x00" + literal(2, b"te")[1:] + literal(8, b"trailers")[1:])
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
        resets = b"".join(frame(1, 5, 2 * n + 1, headers) + frame(3, 0, 2 * n + 1, b"\0\0\0\x08") for n in range(20_000))
        pings = b"".join(frame(6, 0, 0, n.to_bytes(8, "big")) for n in range(20_000))
        # Headers that never end: a CONTINUATION after the other.
        endless = frame(1, 1, 1, headers) + b"".join(frame(9, 0, 1, b"\0\x01x\x7f" + b"y" * 127) for _ in range(20_000))
        # Resets come last: this gRPC keeps what many of them took, up to a bound that no option sets.
        cheap = (pings, endless, os.urandom(1 << 16))
        resident, rounds = [], 32
        for abuse in cheap * rounds + (resets,):
            resident.append(self.resident_mib(server.process.pid))
            with socket.create_connection((host, int(port))) as client:
                client.settimeout(10)
                try:
                    client.sendall(preface + abuse)
                except OSError:
                    pass  # cut off: as it should be
                self.assertEqual(len(server.generate("-p", "A", "-n", 2)["token_ids"]), 2)
        # malloc fills its arenas in the first rounds and then uses them again: the second half of the rounds
        # takes less than what it sends (kept, that would be a leak).
        sent = sum(map(len, cheap)) * rounds / 2 / 2**20
        self.assertLess(resident[-1] - resident[len(resident) // 2], sent, resident)
        self.assertEqual(server.stop(), 0)

    @staticmethod
    def resident_mib(pid):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def test_logs_hold_no_prompt_and_no_escapes(self):
        server = self.serve("--ranks", 1, "-v")
        prompt = "sentinel-prompt-text\n2026 error: made up \x1b[31m"
        server.generate("-p", prompt, "-n", 2)
        self.run_shoal("generate", "--server", server.address, "-p", prompt, "--temp", "-1")
        self.assertEqual(server.stop(), 0)
        log = "".join(server.log)
        self.assertNotIn("sentinel-prompt-text", log)
        self.assertNotIn("\x1b", log)


if __name__ == "__main__":
    unittest.main()
