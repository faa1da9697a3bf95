#!/usr/bin/env python3
"""Latency and throughput of a running server, with the result keys of `vllm bench serve`.

    build/bin/shoal serve -m tests/models --ranks 2 -c 1024 -np 32 &
    tests/bench/serving_bench.py --url http://127.0.0.1:8080 --streams 1,8,32 [--json FILE]

Each row keeps so many requests open until all of its own are done. Prompts are random ids of one
length, so the prefix cache helps nobody; answers have one length too (ignore_eos). Goodput counts
requests whose time to first token and mean time a token stay within --goodput.
"""
import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from datetime import datetime

from http_streams import percentile, stream_completion

COLUMNS = [("max_concurrency", "streams"), ("completed", "done"), ("mean_ttft_ms", "TTFT mean"), ("p99_ttft_ms", "TTFT p99"),
           ("mean_tpot_ms", "TPOT mean"), ("mean_itl_ms", "ITL mean"), ("p99_itl_ms", "ITL p99"),
           ("output_throughput", "output tok/s"), ("total_token_throughput", "all tok/s"),
           ("request_throughput", "req/s"), ("request_goodput", "goodput")]


async def run(options, streams):
    waiting = [[random.randrange(options.vocab) for _ in range(options.input_len)]
               for _ in range(max(options.num_prompts, 2 * streams))]
    total, done = len(waiting), []

    async def one_stream():
        while waiting:
            done.append(await stream_completion(options.url, waiting.pop(), options.output_len, options.key))

    begin = time.perf_counter()
    await asyncio.gather(*(one_stream() for _ in range(streams)))
    return total, done, time.perf_counter() - begin


def result(options, streams, total, all_streams, duration):
    done = [stream for stream in all_streams if stream.done]
    if not done:
        sys.exit(f"no request was answered; the first: {all_streams[0].status} {all_streams[0].error}")
    inputs, outputs = sum(s.prompt_tokens for s in done), sum(s.output_tokens for s in done)
    good = [s for s in done if s.ttft * 1000 <= options.goodput["ttft"] and s.tpot * 1000 <= options.goodput["tpot"]]
    out = {"date": datetime.now().strftime("%Y%m%d-%H%M%S"), "backend": "openai", "model_id": "shoal",
           "num_prompts": total, "request_rate": "inf", "max_concurrency": streams, "duration": duration,
           "completed": len(done), "failed": total - len(done), "total_input_tokens": inputs,
           "total_output_tokens": outputs, "total_input": inputs, "total_output": outputs,
           "request_throughput": len(done) / duration, "request_goodput": len(good) / duration,
           "output_throughput": outputs / duration, "total_token_throughput": (inputs + outputs) / duration}
    samples = {"ttft": [s.ttft for s in done], "tpot": [s.tpot for s in done if s.output_tokens > 1],
               "itl": [gap for s in done for gap in s.itls], "e2el": [s.latency for s in done]}
    for name, seconds in samples.items():
        values = [1000 * value for value in seconds or [0.0]]
        out[f"mean_{name}_ms"] = statistics.fmean(values)
        out[f"median_{name}_ms"] = statistics.median(values)
        out[f"std_{name}_ms"] = statistics.pstdev(values)
        out[f"p99_{name}_ms"] = percentile(values, 99)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--key", help="API key")
    parser.add_argument("--streams", default="1,8,32")
    parser.add_argument("--input-len", type=int, default=128)
    parser.add_argument("--output-len", type=int, default=64)
    parser.add_argument("--num-prompts", type=int, default=16, help="a row; at least two a stream")
    parser.add_argument("--vocab", type=int, default=1000, help="ids are drawn below it")
    parser.add_argument("--goodput", default="ttft:1000,tpot:100", help="limits in milliseconds")
    parser.add_argument("--json", help="all results, a list, into this file; - is stdout")
    options = parser.parse_args()
    options.goodput = {name: float(limit) for name, limit in (pair.split(":") for pair in options.goodput.split(","))}
    random.seed(1)
    asyncio.run(stream_completion(options.url, [1, 2, 3], 2, options.key))
    results = []
    for streams in map(int, options.streams.split(",")):
        results.append(result(options, streams, *asyncio.run(run(options, streams))))
    table = ["| " + " | ".join(title for _, title in COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in results:
        table.append("| " + " | ".join(f"{row[key]:.4g}" for key, _ in COLUMNS) + " |")
    print("\n".join(table), file=sys.stderr if options.json == "-" else sys.stdout)
    if options.json:
        text = json.dumps(results, indent=1)
        print(text) if options.json == "-" else open(options.json, "w").write(text + "\n")


main()
