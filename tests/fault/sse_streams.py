"""Streams of a server's HTTP door, each read on a thread of its own, with the time of every piece."""
import http.client
import json
import threading
import time


class SseStream:
    def __init__(self, url, body):
        self.address, self.body = url.removeprefix("http://"), {"model": "demo", "stream": True, **body}
        self.pieces = []  # (choice, text, log-probabilities, finish reason)
        self.times = []
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self._read()
        except Exception as error:  # whatever it was, the test wants to see it
            self.error = repr(error)

    def _read(self):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        connection.request("POST", "/v1/completions", json.dumps(self.body), {"content-type": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status}: {reply.read()[:300]}")
        for line in reply:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            event = json.loads(line[6:])
            if "error" in event:
                raise RuntimeError(str(event["error"]))
            for choice in event["choices"]:
                self.times.append(time.monotonic())
                self.pieces.append((choice["index"], choice["text"], choice.get("logprobs"), choice["finish_reason"]))
        connection.close()

    def result(self, seconds=120):
        """By choice: text, the log-probabilities of its tokens, why it ended."""
        self.thread.join(seconds)
        if self.error or self.thread.is_alive():
            raise RuntimeError(self.error or "the stream did not end")
        choices = {}
        for index, text, logprobs, finish in self.pieces:
            one = choices.setdefault(index, {"text": "", "logprobs": [], "finish": []})
            one["text"] += text
            one["logprobs"] += (logprobs or {}).get("token_logprobs") or []
            if finish:
                one["finish"].append(finish)
        return choices

    def longest_silence(self):
        return max((b - a for a, b in zip(self.times, self.times[1:])), default=0.0)
