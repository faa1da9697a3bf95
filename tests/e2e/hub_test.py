#!/usr/bin/env python3
"""-hf and shoal pull against a hub that answers as the public one does, in good days and bad ones."""
import contextlib
import hashlib
import json
import os
import pty
import random
import resource
import signal
import subprocess
import time
import unittest
from pathlib import Path

from fake_hub import Hub
from shoal_cli import SHOAL, TESTS, ShoalTest, golden_cases, ids, sure_tokens

REPO = "shoal/Shoal-Demo-36M-GGUF"
SHARDS = sorted((TESTS / "models").glob("Shoal-Demo-36M-UD-Q4_K_XL-*.gguf"))
TOKEN = "hf_SecretOfThisTest"


def made_up(count, size=3 << 20, stem="Toy-Q8_0", folder=""):
    """Shards of random bytes: pull checks hashes and never opens them."""
    draw = random.Random(count)
    return {f"{folder}{stem}-{i + 1:05}-of-{count:05}.gguf": draw.randbytes(size) for i in range(count)}


class HubTest(ShoalTest):
    def setUp(self):
        super().setUp()
        self.env.update(SHOAL_CACHE=str(self.tmp / "cache"), no_proxy="*", NO_PROXY="*")
        for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "SHOAL_HF_REPO"):
            self.env.pop(name, None)

    def hub(self, files, **kwargs):
        hub = Hub(REPO, files, **kwargs)
        self.addCleanup(hub.close)
        self.env.setdefault("HF_ENDPOINT", hub.url)
        return hub

    def pull(self, *args, quant="Q8_0", **kwargs):
        return self.run_shoal("pull", f"{REPO}:{quant}" if quant else REPO, *args, **kwargs)

    def assert_pulled(self, files, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        first = Path(result.stdout.strip())
        for path, data in files.items():
            self.assertEqual((first.parent / Path(path).name).read_bytes(), data, path)
        self.assertEqual([p for p in first.parent.iterdir() if p.suffix != ".gguf"], [])

    def cached(self, pattern):
        return sorted((self.tmp / "cache").rglob(pattern))

    def assert_refused(self, result, code, *words):
        """One error line, perhaps after lines of progress; and no whole file in the cache."""
        self.assertEqual(result.returncode, code, result.stderr)
        errors = [line for line in result.stderr.splitlines() if line.startswith("error")]
        self.assertEqual(len(errors), 1, result.stderr)
        self.assertEqual(result.stderr.splitlines()[-1], errors[0])
        for word in words:
            self.assertIn(word, errors[0])
        self.assertNotIn(TOKEN, result.stderr)
        self.assertEqual(result.stdout, "")


class GoodDays(HubTest):
    def test_generate_from_a_repository_equals_the_golden_text(self):
        hub = self.hub({f"UD-Q4_K_XL/{p.name}": p.read_bytes() for p in SHARDS} | made_up(2), token=TOKEN)
        self.env["HF_TOKEN"] = TOKEN
        case = golden_cases()[0]
        args = ("generate", "-hf", f"{REPO}:ud-q4_k_xl", "--prompt-ids", ids(case), "-n", 16, "--json")
        for listed in (1, 2):
            got = self.json(*args)
            self.assertEqual(got["token_ids"], sure_tokens(case)[:16])
            # the second run asks for the list and for no file
            self.assertEqual(sum("/tree/" in path for _, path, _ in hub.requests), listed)
        files = [r for r in hub.requests if r[0] == "store"]
        self.assertEqual(len(files), len(SHARDS))
        # The token goes to the hub and never to the server that it redirects to.
        self.assertTrue(all("Authorization" not in headers for _, _, headers in files))
        self.assertTrue(all(headers.get("Authorization") == f"Bearer {TOKEN}"
                            for name, _, headers in hub.requests if name == "hub"))

    def test_pull_prints_the_first_shard_and_json_the_rest(self):
        files = made_up(3, folder="Q8_0/")
        self.hub(files | {"README.md": b"x", "mmproj-F16.gguf": b"x"}, page_size=2)  # several pages
        result = self.pull()
        self.assert_pulled(files, result)
        got = json.loads(self.pull("--json").stdout)
        self.assertEqual(got["fetched_bytes"], 0)
        self.assertEqual(got["bytes"], sum(map(len, files.values())))
        self.assertEqual(got["path"], result.stdout.strip())

    def test_a_terminal_gets_one_bar_and_a_file_gets_lines(self):
        hub = self.hub(made_up(2))
        hub.bytes_per_second = 3 << 20
        master, slave = pty.openpty()
        process = subprocess.Popen([SHOAL, "pull", REPO], stdout=subprocess.PIPE, stderr=slave, env=self.env)
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # the terminal's end, once the program has left
            while chunk := os.read(master, 65536):
                text += chunk
        os.close(master)
        process.communicate()
        self.assertEqual(process.returncode, 0)
        bars = text.decode().strip().split("\r")
        self.assertGreater(len(bars), 3)
        self.assertEqual(text.decode().strip().count("\n"), 0)
        self.assertIn("100% [########################] 6.3 MB of 6.3 MB", bars[-1])

    def test_mirrors_are_asked_when_the_hub_fails_and_get_no_token(self):
        files = made_up(2)
        hub, mirror = self.hub(files), Hub(REPO, files)
        self.addCleanup(mirror.close)
        self.env["HF_TOKEN"] = TOKEN
        hub.fail("/resolve/.*00001", 404)
        hub.fail("/resolve/.*00002", 503, times=1)
        mirror.served = {p: b"?" * len(d) for p, d in files.items()}
        self.assert_refused(self.pull("--hf-mirror", mirror.url), 6, "404", "00001")
        mirror.served = {}
        self.assert_pulled(files, self.pull("--hf-mirror", mirror.url))
        self.assertTrue(mirror.requests)
        self.assertTrue(all("Authorization" not in headers for _, _, headers in mirror.requests))

    def test_without_the_hub_the_cache_serves_what_is_whole(self):
        files = made_up(2)
        hub = self.hub(files)
        self.assert_pulled(files, self.pull())
        hub.fail("/tree/", 429, Retry_After="1000")
        result = self.pull()
        self.assert_pulled(files, result)
        self.assertIn("the cache's copy is used", result.stderr)
        before = len(hub.requests)
        self.assert_pulled(files, self.pull("--offline"))
        self.assertEqual(len(hub.requests), before)
        os.truncate(self.cached("*.gguf")[0], 5)
        self.assert_refused(self.pull("--offline"), 6, "1 of its files are not in the cache")

    def test_replaced_files_get_a_folder_of_their_own(self):
        before, after = made_up(2), {name: data[::-1] for name, data in made_up(2).items()}
        hub = self.hub(before)
        first = self.pull()
        hub.files = after
        second = self.pull()
        self.assert_pulled(before, first)
        self.assert_pulled(after, second)

    def test_a_rank_fetches_only_the_shards_it_owns(self):
        hub = self.hub({p.name: p.read_bytes() for p in SHARDS})
        # Four stages of two layers each; the shards hold layers in order.
        wanted = {}
        for rank in (0, 3):
            got = json.loads(self.pull("--json", "--pp", 4, "--ep", 1, "--shards-of-rank", rank, quant=None).stdout)
            wanted[rank] = [Path(p).name[-19:-14] for p in got["files"]]
        self.assertIn("00001", wanted[0])  # the metadata
        self.assertLess(len(wanted[0]), len(SHARDS))
        self.assertLess(len(wanted[3]), len(SHARDS))
        self.assertNotEqual(wanted[0], wanted[3])
        everyone = set()
        for rank in range(4):
            got = json.loads(self.pull("--json", "--pp", 4, "--ep", 1, "--shards-of-rank", rank, quant=None).stdout)
            everyone |= set(got["files"])
        self.assertEqual(len(everyone), len(SHARDS))
        self.assert_refused(self.pull("--shards-of-rank", 1, quant=None), 2, "ranks 0..0")


class Names(HubTest):
    def test_an_unknown_quant_is_answered_with_what_there_is(self):
        self.hub(made_up(2) | made_up(3, 10, "Toy-UD-Q4_K_XL", "UD-Q4_K_XL/") | {"Toy-IQ2_XXS.gguf": b"xyz"})
        self.assert_refused(self.pull(quant="Q5_K"), 2, "holds no Q5_K", "Q8_0 (6.3 MB)", "UD-Q4_K_XL (30 B)", "IQ2_XXS (3 B)")
        self.assert_pulled(made_up(3, 10, "Toy-UD-Q4_K_XL"), self.pull(quant=None))  # the usual one
        self.assert_pulled(made_up(2), self.pull("-hff", "Toy-Q8_0-00002-of-00002.gguf", quant=None))
        self.assert_refused(self.pull("-hff", "Other.gguf", quant=None), 2, "holds no Other.gguf")

    def test_names_that_could_lead_elsewhere_are_refused_or_passed_over(self):
        good = made_up(1)
        self.hub(good | {p: b"evil" for p in ("../../x-Q4_0.gguf", "/tmp/x-Q4_0.gguf", "a/../../x-Q4_0.gguf",
                                              ".hidden/x-Q4_0.gguf", "a\\..\\x-Q4_0.gguf", "x\n-Q4_0.gguf", "x%2e-Q4_0.gguf")})
        self.assert_refused(self.pull(quant="Q4_0"), 2, "it holds Q8_0")
        self.assert_pulled(good, self.pull())
        self.assertEqual([p.name for p in self.cached("*x-Q4_0*")], [])
        for name in ("../x/y", "x", "x/y/z", "x/..", "x/y:../z", "x/y:", "/x", "x/a b"):
            self.assert_refused(self.run_shoal("pull", "-hf", name), 2, "-hf is")
        self.assert_refused(self.pull("--hf-revision", "../x"), 2, "--hf-revision is")

    def test_missing_shards_and_missing_hashes_are_bad_models(self):
        files = made_up(3)
        files.pop(sorted(files)[1])
        hub = self.hub(files)
        self.assert_refused(self.pull(), 3, "2 of 3 shards")
        hub.files = made_up(1)
        hub.listed = {next(iter(hub.files)): {"lfs": None}}
        self.assert_refused(self.pull(), 3, "no SHA-256")

    def test_contradictions_and_secrets_on_the_command_line(self):
        self.hub(made_up(1))
        self.assert_refused(self.run_shoal("inspect", "-hf", REPO, "-m", SHARDS[0]), 2, "-m and -hf")
        self.assert_refused(self.pull("-hft", TOKEN.replace("S", "s")), 2, "HF_TOKEN")
        self.env.update(HF_TOKEN=TOKEN, HF_ENDPOINT="http://hub.invalid")
        self.assert_refused(self.pull(), 2, "plain text")
        self.env.update(HF_ENDPOINT="file:///etc")
        self.assert_refused(self.pull(), 2, "is no hub")


class BadDays(HubTest):
    def test_dropped_connections_are_taken_up_where_they_broke(self):
        files = made_up(2)
        hub = self.hub(files)
        name = sorted(files)[0]
        hub.drop_after = {name: [1_200_000, 0, 100_000]}
        self.assert_pulled(files, self.pull())
        starts = [headers.get("Range") for server, path, headers in hub.requests if server == "store" and name in path]
        self.assertEqual(starts, [None, "bytes=1200000-", "bytes=1200000-", "bytes=1300000-"])

    def test_a_server_without_ranges_starts_over(self):
        files = made_up(1)
        hub = self.hub(files)
        hub.ranges, hub.drop_after = False, {next(iter(files)): [1_200_000]}
        self.assert_pulled(files, self.pull())

    def test_wrong_bytes_are_never_named_as_a_model(self):
        files = made_up(2)
        hub = self.hub(files)
        name = sorted(files)[0]
        for bad, word in ((b"x" * len(files[name]), "SHA-256"), (files[name][:-1], "bytes of it"),
                          (files[name] + b"x", "bytes of it")):
            hub.served = {name: bad}
            self.assert_refused(self.pull(), 3, word, name)
            self.assertNotIn(name, [p.name for p in self.cached("*.gguf")])
        hub.served = {}
        self.assert_pulled(files, self.pull())

    def test_an_old_partial_file_of_other_bytes_costs_only_its_own_download(self):
        files = made_up(1)
        hub = self.hub(files)
        self.assert_pulled(files, self.pull())
        whole = self.cached("*.gguf")[0]
        whole.unlink()
        Path(f"{whole}.partial").write_bytes(b"?" * 1000)
        self.assert_pulled(files, self.pull())
        Path(f"{whole}.partial").write_bytes(b"?" * (len(files[whole.name]) + 5))
        whole.unlink()
        self.assert_pulled(files, self.pull())
        self.assertEqual([p.name for p in self.cached("*.partial")], [])
        self.assertEqual([headers.get("Range") for server, _, headers in hub.requests if server == "store"],
                         [None, "bytes=1000-", None, None])

    def test_refusals_are_one_line(self):
        hub = self.hub(made_up(1), token=TOKEN)
        self.assert_refused(self.pull(), 6, "401", "set HF_TOKEN")
        self.env["HF_TOKEN"] = "hf_wrong"
        self.assert_refused(self.pull(), 6, "401", "HF_TOKEN may not")
        self.env["HF_TOKEN"] = TOKEN
        self.assert_refused(self.run_shoal("pull", "shoal/absent"), 6, "404", "shoal/absent")
        hub.fail("/tree/", 429, Retry_After="3600")
        self.assert_refused(self.pull(), 6, "429", "3600 s")
        hub.statuses.clear()
        hub.fail("/tree/", 200)  # an object instead of a list
        self.assert_refused(self.pull(), 3, "no JSON list")
        hub.statuses.clear()
        hub.fail("/resolve/", 404)
        self.assert_refused(self.pull(), 6, "404", "Toy-Q8_0")
        self.assertEqual([p.name for p in self.cached("*.gguf")], [])

    def test_a_busy_hub_is_asked_again_when_it_says(self):
        files = made_up(1)
        hub = self.hub(files)
        hub.fail("/tree/", 429, times=1, Retry_After="2")
        hub.fail("/resolve/", 502, times=1)
        begin = time.monotonic()
        self.assert_pulled(files, self.pull())
        self.assertGreaterEqual(time.monotonic() - begin, 2)  # what the server asked for

    def test_a_list_that_goes_on_elsewhere_is_not_followed(self):
        hub = self.hub(made_up(1), token=TOKEN)
        self.env["HF_TOKEN"] = TOKEN
        other = Hub(REPO, {})
        self.addCleanup(other.close)
        hub.fail("/tree/", 200, Link=f'<{other.url}/x>; rel="next"')
        hub.statuses[-1][1] = 200
        result = self.pull()
        self.assertEqual(result.returncode, 3)
        self.assertEqual(other.requests, [])

    def test_a_full_disk_keeps_what_came(self):
        files = made_up(1)
        hub = self.hub(files)

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        result = subprocess.run([SHOAL, "pull", REPO], capture_output=True, text=True, env=self.env, preexec_fn=limit, timeout=60)
        self.assert_refused(result, 5, "File too large", "1,048,576 of 3,145,728 bytes are kept")
        self.assertEqual([p.name for p in self.cached("*.gguf")], [])
        self.assert_pulled(files, self.pull())
        self.assertEqual(hub.requests[-1][2]["Range"], f"bytes={1 << 20}-")

    @contextlib.contextmanager
    def small_disk(self):
        disk = self.tmp / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "shoal-test", disk], capture_output=True).returncode:
            self.skipTest("no right to mount a small file system")
        try:
            yield disk
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_a_disk_without_room_is_refused_before_a_byte_comes_or_on_the_way(self):
        hub = self.hub(made_up(1))
        with self.small_disk() as disk:
            self.env["SHOAL_CACHE"] = str(disk)
            self.assert_refused(self.pull(), 5, "has room for")
            self.assertTrue(all(server == "hub" for server, _, _ in hub.requests))
            # One that fits until somebody else takes the room.
            hub.files, hub.bytes_per_second = made_up(1, 1_500_000), 1_500_000
            process = self.start("pull", REPO)
            self.wait_for(lambda: list(disk.rglob("*.partial")), 10, "a partial file")
            (disk / "other").write_bytes(b"x" * 1_200_000)
            out, err = process.communicate(timeout=30)
            self.assert_refused(subprocess.CompletedProcess([], process.returncode, out, err), 5, "No space left", "are kept")
            self.assertEqual(list(disk.rglob("*.gguf")), [])

    def test_a_killed_process_leaves_nothing_that_looks_whole(self):
        files = made_up(3)
        hub = self.hub(files)
        hub.bytes_per_second = 4 << 20
        for sig in (signal.SIGKILL, signal.SIGTERM):
            process = self.start("pull", REPO)
            self.wait_for(lambda: sum(p.stat().st_size for p in self.cached("*.partial")) > 200_000, 10, "a partial file")
            process.send_signal(sig)
            process.communicate(timeout=10)
            for path in self.cached("*.gguf"):
                self.assertEqual(path.read_bytes(), files[path.name])
        had = {p.name[:-len(".partial")]: f"bytes={p.stat().st_size}-" if p.stat().st_size else None for p in self.cached("*.partial")}
        hub.bytes_per_second, before = 0, len(hub.requests)
        self.assert_pulled(files, self.pull())
        asked = {path.split("/")[-1].split("?")[0]: headers.get("Range")
                 for server, path, headers in hub.requests[before:] if server == "store"}
        self.assertEqual(asked, had)

    def test_two_processes_share_one_download(self):
        files = made_up(4)
        hub = self.hub(files)
        hub.bytes_per_second = 4 << 20
        both = [self.start("pull", REPO) for _ in range(2)]
        for process in both:
            out, err = process.communicate(timeout=60)
            self.assert_pulled(files, subprocess.CompletedProcess([], process.returncode, out, err))
        self.assertEqual(sum(server == "store" for server, _, _ in hub.requests), len(files))


if __name__ == "__main__":
    unittest.main()
