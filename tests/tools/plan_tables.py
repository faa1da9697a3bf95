#!/usr/bin/env python3
"""The tables of docs/planning.md, from `shoal plan` on sparse sets of the public files' layout.

usage: plan_tables.py BUILD_FOLDER [-c TOKENS]      writes Markdown to stdout
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CLUSTERS = Path(__file__).resolve().parents[2] / "cluster_configs"
MIXES = ["UD-IQ2_XXS", "UD-Q3_K_XL", "UD-Q4_K_XL", "MXFP4_MOE", "Q8_0", "BF16"]
ROWS = [("397b", "1 x 8 x 80 GB", "h100_node", MIXES[1:]), ("397b", "2 x 8 x 80 GB", "two_h100_nodes", MIXES[1:]),
        ("397b", "4 x 8 x 80 GB", "four_h100_nodes", MIXES[1:]), ("397b", "2 x 4 x 141 GB", "two_half_h200_nodes", MIXES[1:]),
        ("397b", "1 x 8 x 141 GB", "h200_node", MIXES[1:]), ("397b", "4 x 1 x 128 GB unified", "four_gb10_nodes", MIXES[:-1]),
        ("397b", "8 x 80 and 4 x 141 GB", "unlike_nodes", MIXES[1:]), ("35b", "1 x 24 GB", "one_rtx4090", MIXES)]


def gigabytes(count):
    return f"{count / 1e9:.1f}"


def rate(tokens):
    return f"{tokens:,.0f}" if tokens >= 100 else f"{tokens:.1f}"


def row(build, model, machines, cluster, context):
    shape, mix, folder = model
    done = subprocess.run([build / "bin/shoal", "plan", "-m", folder, "--cluster", CLUSTERS / f"{cluster}.yaml", "--json",
                           "-c", str(context)], capture_output=True, text=True)
    if done.returncode not in (0, 5):
        sys.exit(done.stderr)
    plan = json.loads(done.stdout)
    if not plan["fits"]:
        refused = plan["layouts"][0]
        hint = refused["would_fit"] if refused["would_fit"].startswith(("a shorter", "fewer")) else plan["why"]
        return f"| {machines} | {mix} | does not fit | | | | | | | | {hint} |"
    most = max(plan["ranks"], key=lambda rank: rank["total_bytes"])
    forecast = plan["forecast"]
    layers = [stage["layers"] for stage in plan["layout"]["stages"]]
    name = plan["layout"]["name"]
    if len(set(layers)) > 1:
        name += f", layers {' + '.join(map(str, layers))}"
    room = next((s["sequences"] for s in plan["sequences"] if s["context"] == 65536), 0)
    return (f"| {machines} | {mix} | {name} | {gigabytes(most['weight_bytes'])} | "
            f"{gigabytes(min(rank['free_bytes'] for rank in plan['ranks']))} | {room} | "
            f"{forecast['load']['seconds']:.0f} | {rate(forecast['decode_one']['tokens_per_second'])} | "
            f"{rate(forecast['decode_batch']['tokens_per_second'])} | {rate(forecast['prompts']['tokens_per_second'])} | "
            f"{plan['may_die']['ranks']} of {len(plan['ranks'])}; {plan['may_die']['nodes']} hosts |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("-c", type=int, default=32768)
    options = parser.parse_args()
    print("| machines | file | layout | weights a rank, GB | least free, GB | sequences of 65,536 | load, s | tok/s, one | "
          "tok/s, eight | prompts, tok/s | may die |\n|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for shape, machines, cluster, mixes in ROWS:
            for mix in mixes:
                folder = Path(scratch) / f"{shape}-{mix}"
                if not folder.exists():
                    subprocess.run([options.build / "tests/make_model", shape, mix, folder, "sparse"], check=True,
                                   stdout=subprocess.DEVNULL)
                print(row(options.build, (shape, mix, folder), machines, cluster, options.c), flush=True)


if __name__ == "__main__":
    main()
