#!/usr/bin/env python3
"""What the prefix cache saves in a chat of ten turns; run by hand.

    SHOAL_BIN=build/bin tests/bench/chat_cache.py [--ranks 2] [-m MODEL]

Two servers, one with the cache and one without. Each holds the same two conversations, greedy:
`ids` appends every answer to the history as the tokens it was; `template` renders all messages anew
with the model's chat template at each turn, as a chat client does, the answers' reasoning apart
from what they say. Prints a table a turn and whether the texts were equal; exit 1 if they were not.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(os.environ.get("SHOAL_BIN", "build/bin"))
TESTS = Path(__file__).resolve().parents[1]
SYSTEM = "You are a patient teacher of operating systems. Answer in short, plain sentences. " * 6
QUESTIONS = ["What is a mutex?", "And how is a semaphore different?", "Show me a deadlock.",
             "How would one find it?", "What does the scheduler do meanwhile?",
             "Is a spin lock ever better?", "What is priority inversion?", "Who solved it first?",
             "How do futexes work?", "Sum it up in one sentence."]
ANSWER = 48


def shoal(*arguments):
    return subprocess.run([BIN / "shoal", *map(str, arguments)], check=True, capture_output=True,
                          text=True).stdout


class Server:
    def __init__(self, options, cache):
        self.options = options
        self.process = subprocess.Popen(
            [BIN / "shoal", "serve", "-m", options.model, "--ranks", str(options.ranks),
             "--grpc-port", "0", "--http-port", "-1", "--cache-ram", str(cache)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        words = self.process.stdout.readline().replace(",", " ").split()
        self.address = next(word for word in words if word.startswith("127.0.0.1:"))

    def generate(self, *prompt):
        out = shoal("generate", "--server", self.address, "-n", ANSWER, "--temp", 0, "--ignore-eos",
                    "--json", *prompt)
        return json.loads(out)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def ids_chat(server, options):
    history = json.loads(shoal("tokenize", "-m", options.model, "-p", SYSTEM))
    for question in QUESTIONS:
        history += json.loads(shoal("tokenize", "-m", options.model, "-p", question))
        answer = server.generate("--prompt-ids", ",".join(map(str, history)))
        history += answer["token_ids"]
        yield answer


def template_chat(server, options):
    messages = [{"role": "system", "content": SYSTEM}]
    with tempfile.TemporaryDirectory() as folder:
        chat, prompt = Path(folder) / "chat.json", Path(folder) / "prompt.txt"
        for question in QUESTIONS:
            messages.append({"role": "user", "content": question})
            chat.write_text(json.dumps({"messages": messages, "add_generation_prompt": True}))
            prompt.write_text(shoal("render", "-m", options.model, "--messages", chat))
            answer = server.generate("-f", prompt)
            reasoning, _, said = answer["text"].rpartition("</think>")
            messages.append({"role": "assistant", "content": said, "reasoning_content": reasoning})
            yield answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", "--model", default=str(TESTS / "models"))
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    equal = True
    for name, chat in [("ids", ids_chat), ("template", template_chat)]:
        turns = []
        for cache in [-1, 0]:
            server = Server(options, cache)
            try:
                turns.append(list(chat(server, options)))
            finally:
                server.stop()
        print(f"\n{name}\n\n| turn | prompt tokens | run, cached | run, uncached | first token, "
              "cached | uncached | why not more |\n|---|---|---|---|---|---|---|")
        run = [0, 0]
        for turn, (warm, cold) in enumerate(zip(*turns), 1):
            equal &= warm["token_ids"] == cold["token_ids"]
            prompt = warm["usage"]["prompt_tokens"]
            ran = prompt - warm["usage"]["cached_tokens"]
            run[0] += ran
            run[1] += prompt
            print(f"| {turn} | {prompt} | {ran} | {prompt} | "
                  f"{warm['timings']['first_token_ms']:.0f} ms | "
                  f"{cold['timings']['first_token_ms']:.0f} ms | "
                  f"{warm['cache']['end']} at {warm['cache']['shared_tokens']} |")
        print(f"| all | | {run[0]} | {run[1]} | | | |")
    print("\ntexts equal" if equal else "\nTEXTS DIFFER")
    sys.exit(0 if equal else 1)


main()
