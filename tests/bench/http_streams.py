"""Streams of /v1/completions and their times, for the serving benches; nothing beyond Python's library."""
import asyncio
import json
import time


class Stream:
    """One request's times, in seconds. `status` 0: no answer."""

    def __init__(self):
        self.status, self.error = 0, ""
        self.ttft = self.latency = self.answered = None
        self.itls, self.output_tokens, self.prompt_tokens = [], 0, 0

    @property
    def done(self):
        return self.status == 200 and not self.error

    @property
    def tpot(self):
        return (self.latency - self.ttft) / (self.output_tokens - 1) if self.output_tokens > 1 else 0.0


async def stream_completion(url, prompt_ids, max_tokens, key=None):
    """The first token is the first event with choices, as load clients count it."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"model": "shoal", "prompt": prompt_ids, "max_tokens": max_tokens, "temperature": 0,
                       "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n" \
           f"Content-Length: {len(body)}\r\nConnection: close\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    stream, last = Stream(), None
    begin = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
        writer.write(head.encode() + b"\r\n" + body)
        stream.status = int((await reader.readline()).split()[1])
        stream.answered = time.perf_counter() - begin
        async for line in reader:
            if not line.startswith(b"data: {"):
                continue
            now = time.perf_counter()
            event = json.loads(line[6:])
            if event.get("choices"):
                if last is None:
                    stream.ttft = now - begin
                else:
                    stream.itls.append(now - last)
                last = now
            if event.get("usage"):
                stream.output_tokens = event["usage"]["completion_tokens"]
                stream.prompt_tokens = event["usage"]["prompt_tokens"]
            if event.get("error"):
                stream.error = event["error"]["message"]
        writer.close()
    except (OSError, ValueError, IndexError) as error:
        stream.error = repr(error)
    stream.latency = time.perf_counter() - begin
    if stream.done and stream.ttft is None:
        stream.error = "no token came"
    return stream


def percentile(values, percent):
    """Linear between neighbours, as numpy's default."""
    values = sorted(values)
    place = (len(values) - 1) * percent / 100
    low = int(place)
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (place - low)
