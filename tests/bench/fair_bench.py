#!/usr/bin/env python3
"""What one key's flood does to another key's time to first token.

    printf 'heavy sk-heavy-0123456789\\nlight sk-light-0123456789\\n' > keys; chmod 600 keys
    build/bin/shoal serve -m tests/models --ranks 2 -c 1024 --api-key-file keys &
    tests/bench/fair_bench.py --url http://127.0.0.1:8080

The light key asks at random times, --rate a second; first alone, then beside the heavy key, which
asks a hundred times as often (what is refused is not asked again). Prompts are random ids of 32 to
512, evenly on a logarithmic scale, the same in both runs.
"""
import argparse
import asyncio
import random
from collections import Counter

from http_streams import percentile, stream_completion

LIGHT, HEAVY = "sk-light-0123456789", "sk-heavy-0123456789"


async def ask(options, key, rate, seed, until):
    """Streams of one key, started at random times; `until` ends it early."""
    draw, tasks = random.Random(seed), []
    while not until(len(tasks)):
        await asyncio.sleep(draw.expovariate(rate))
        prompt = [draw.randrange(1000) for _ in range(int(2 ** draw.uniform(5, 9)))]
        tasks.append(asyncio.create_task(stream_completion(options.url, prompt, options.output_len, key)))
    return await asyncio.gather(*tasks)


async def measure(options, flood):
    over = False
    heavy = asyncio.create_task(ask(options, HEAVY, 100 * options.rate, 2, lambda _: over)) if flood else None
    if flood:
        await asyncio.sleep(5)
    light = await ask(options, LIGHT, options.rate, 1, lambda asked: asked >= options.requests)
    over = True
    return light, await heavy if heavy else []


def row(name, streams):
    ttfts = [1000 * stream.ttft for stream in streams if stream.done]
    answers = dict(Counter(stream.status for stream in streams))
    numbers = " | ".join(f"{percentile(ttfts, p):.0f}" for p in (50, 90, 99)) if ttfts else "| |"
    print(f"| {name} | {len(streams)} | {answers} | {numbers} |", flush=True)
    return percentile(ttfts, 99) if ttfts else float("inf")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--output-len", type=int, default=32)
    options = parser.parse_args()
    asyncio.run(stream_completion(options.url, [1, 2, 3], 2, LIGHT))
    print("| | requests | by status | TTFT p50, ms | p90 | p99 |\n|---|---|---|---|---|---|")
    light, _ = asyncio.run(measure(options, False))
    alone = row("light alone", light)
    light, heavy = asyncio.run(measure(options, True))
    beside = row("light beside heavy", light)
    row("heavy", heavy)
    print(f"\nthe light key's p99 moved by {beside / alone:.2f}")


main()
