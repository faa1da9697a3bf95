#!/usr/bin/env python3
"""Bad model files through the programs: the code and the one line that the table of cases says."""
import json
import re
import subprocess
import unittest

from shoal_cli import BIN, ShoalTest

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


if __name__ == "__main__":
    unittest.main()
