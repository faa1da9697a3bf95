"""`shoal plan`: verdicts and exit codes on headers of the real sizes, and a plan that then runs."""
import json
import subprocess
import unittest

from shoal_cli import BIN, MODEL, SHOAL, TESTS, ShoalTest

MAKE_MODEL = BIN.parent / "tests/make_model"
CLUSTERS = TESTS.parent / "cluster_configs"


class PlanTest(ShoalTest):
    def shoal(self, *args, code=0):
        done = subprocess.run([SHOAL, *map(str, args)], capture_output=True, text=True, timeout=120, env=self.env)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def sparse(self, shape, mix):
        folder = self.tmp / f"{shape}-{mix}"
        subprocess.run([MAKE_MODEL, shape, mix, folder, "sparse"], check=True, capture_output=True, timeout=120)
        return folder

    def test_a_397b_set_from_headers_alone(self):
        model = self.sparse("397b", "UD-Q4_K_XL")
        plan = json.loads(self.shoal("plan", "-m", model, "--cluster", CLUSTERS / "two_h100_nodes.yaml", "--json").stdout)
        self.assertEqual(plan["layout"]["name"], "pp 2 x ep 8")
        # Experts once, all the rest once in each of the 8 ranks of a stage.
        self.assertEqual(sum(r["weight_bytes"] for r in plan["ranks"]), 234360930304 + 8 * 10900204544)
        self.assertIn("layout: pp 2 x ep 8", self.shoal("plan", "-m", model, "--on", "2x8xh100", "--explain").stdout)
        refused = self.shoal("plan", "-m", model, "--on", "rtx4090", "--json", code=5)
        self.assertFalse(json.loads(refused.stdout)["fits"])
        self.assertIn("nothing fits", refused.stderr)
        inspected = json.loads(self.shoal("inspect", "-m", model, "--json").stdout)
        self.assertEqual(inspected["num_tensors"], 1098)

    def test_contradictions_are_usage(self):
        for args in ([], ["--on", "2x8xh100", "--cluster", CLUSTERS / "h100_node.yaml"], ["--on", "many"],
                     ["--on", "2x8xh100", "--pp", "2", "--ep", "9"], ["--on", "h100", "-c", "-5"],
                     ["--on", "h100", "--ranks", "1", "--pp", "1"], ["--cluster", CLUSTERS / "one_machine.yaml"]):
            self.shoal("plan", "-m", MODEL, *args, code=2)

    def test_a_plan_with_uneven_layers_runs_and_says_the_same(self):
        """5 + 3 layers on 1 + 2 ranks, as the plan's stages would be written into a cluster file."""
        file = self.tmp / "uneven.yaml"
        file.write_text("stages:\n  - {ep: 1, layers: 5}\n  - {ep: 2, layers: 3}\nbackend: cpu\nthreads: 1\ncontext: 512\n")
        prompt = ["-m", MODEL, "-p", "The Linux kernel ", "-n", "24", "--temp", "0", "--json"]
        alone = json.loads(self.shoal("generate", *prompt, "--ranks", "1", "-c", "512", "-t", "1").stdout)
        split = json.loads(self.shoal("generate", *prompt, "--cluster", file).stdout)
        self.assertEqual(split["token_ids"], alone["token_ids"])

    def test_serving_a_file_without_a_shape_is_refused_in_words(self):
        file = self.tmp / "shapeless.yaml"
        file.write_text("hosts:\n  - {name: localhost, slots: 2, device: h100}\n")
        refused = self.shoal("generate", "-m", MODEL, "-p", "x", "--cluster", file, code=2)
        self.assertIn("shoal plan", refused.stderr)


if __name__ == "__main__":
    unittest.main()
