#!/usr/bin/env python3
"""Bad model files through the programs: the code and the one line that the table of cases says."""
import json
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from shoal_cli import BIN, MODEL, ShoalTest

WRITER = BIN.parent / "tests/bad_files_writer"
EVERY = 4  # all of them go through the same code in the unit test


class BadFilesTest(ShoalTest):
    def test_a_sample_of_all_kinds(self):
        folder = self.tmp / "bad"
        folder.mkdir()
        subprocess.run([WRITER, folder], check=True)
        cases = [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()][::EVERY]
        for case in cases:
            with self.subTest(row=case["row"], name=case["name"]):
                result = self.run_shoal("generate", "-m", case["path"], "-p", "x", timeout=30)
                self.assert_one_line_error(result, 3)
                said = re.sub(r"byte \d+: ", "", result.stderr.strip(), count=1)
                self.assertTrue(said.startswith(case["line"]), f"{said}\n{case['line']}")
        print(f"bad files: {len(cases)} through `shoal generate`")

    def test_verify(self):
        folder = self.tmp / "model"
        folder.mkdir()
        for shard in Path(MODEL).parent.glob("*Q4_K_XL*.gguf"):
            shutil.copy(shard, folder)
        shard = sorted(folder.glob("*.gguf"))[2]
        self.assert_one_line_error(self.run_shoal("verify", "-m", folder), 2, "--write")
        written = self.json("verify", "-m", folder, "--write", "--json")
        self.assertEqual((written["ok"], written["tensors"]), (True, 149))
        self.assertTrue(self.json("verify", "-m", shard, "--json")["ok"])
        whole = bytearray(shard.read_bytes())
        whole[len(whole) // 2] ^= 1
        shard.write_bytes(whole)
        self.assert_one_line_error(self.run_shoal("verify", "-m", folder), 3, shard.name, "GGUF-86", "xxh3")
        whole[16_384:] = bytes(byte & 0x3f for byte in whole[16_384:])  # another fine-tune, so to say
        shard.write_bytes(whole)
        self.assert_one_line_error(self.run_shoal("generate", "-m", folder, "-p", "x"), 3, shard.name, "samples")


if __name__ == "__main__":
    unittest.main()
