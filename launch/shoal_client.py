#!/usr/bin/env python3
"""A client of shoal's gRPC door in one file: copy it. Needs grpcio, protobuf and shoal.v1.binpb.

The descriptor set shoal.v1.binpb comes with every build (build/shoal.v1.binpb); it stands in for
generated code, so this file fits every version of the protos.

    from shoal_client import ShoalClient
    with ShoalClient("127.0.0.1:50051", "build/shoal.v1.binpb") as client:
        for piece in client.stream(chat="What is a mutex?", max_tokens=64, temperature=0):
            print(piece, end="", flush=True)

From a shell: shoal_client.py [--server HOST:PORT] [--protoset FILE] "What is a mutex?"

Calls that are refused raise grpc.RpcError. A refusal with a time to try again after (the queue is
full, the model loads) is tried again, as often as `retries` says.
"""
import argparse
import sys
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def _message_class(descriptor):
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)


class ShoalClient:
    """One connection. `api_key`: sent with every call. `tls_ca`: PEM bytes, turns TLS on."""

    def __init__(self, address, protoset, api_key=None, tls_ca=None, retries=3):
        self.pool = descriptor_pool.DescriptorPool()
        files = descriptor_pb2.FileDescriptorSet()
        with open(protoset, "rb") as file:
            files.ParseFromString(file.read())
        for file in files.file:
            self.pool.Add(file)
        self.channel = (grpc.secure_channel(address, grpc.ssl_channel_credentials(tls_ca)) if tls_ca
                        else grpc.insecure_channel(address))
        self.metadata = [("authorization", f"Bearer {api_key}")] if api_key else []
        self.retries = retries

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, method, request=None, timeout=None):
        """Any method: call("ModelService/GetModel", {}). Replies are messages; a stream's, one by one."""
        service, name = method.split("/")
        found = self.pool.FindServiceByName(f"shoal.v1.{service}").methods_by_name[name]
        message = json_format.ParseDict(request or {}, _message_class(found.input_type)())
        read = _message_class(found.output_type).FromString
        kind = self.channel.unary_stream if found.server_streaming else self.channel.unary_unary
        rpc = kind(f"/shoal.v1.{service}/{name}", lambda m: m.SerializeToString(), read)
        if found.server_streaming:
            return self._stream(rpc, message, timeout)
        return self._again(lambda: rpc(message, timeout=timeout, metadata=self.metadata))

    def generate(self, **what):
        """The whole answer: .text, .token_ids, .finished. See stream() for what to say."""
        timeout = what.pop("timeout", None)
        return self.call("InferenceService/Generate", {"spec": self.spec(**what)}, timeout)

    def stream(self, **what):
        """Pieces of text, as they come. One of text, chat or token_ids; then any of spec()'s."""
        timeout = what.pop("timeout", None)
        for message in self.call("InferenceService/StreamGenerate", {"spec": self.spec(**what)}, timeout):
            if message.delta.text:
                yield message.delta.text

    @staticmethod
    def spec(text=None, chat=None, token_ids=None, max_tokens=None, stop=(), ignore_eos=False,
             request_id="", **sampling):
        """A GenerationSpec as a dict. chat: a question, or a list of {"role", "content"}."""
        spec = {"request_id": request_id, "sampling": sampling,
                "stop": {"strings": list(stop), "ignore_eos": ignore_eos}}
        if max_tokens is not None:
            spec["stop"]["max_tokens"] = max_tokens
        if chat is not None:
            messages = [{"role": "user", "content": chat}] if isinstance(chat, str) else chat
            spec["chat"] = {"messages": messages}
        elif token_ids is not None:
            spec["token_ids"] = {"ids": list(token_ids)}
        else:
            spec["text"] = text
        return spec

    def _again(self, attempt):
        for left in range(self.retries, -1, -1):
            try:
                return attempt()
            except grpc.RpcError as error:
                pause = self._retry_delay(error)
                if left == 0 or pause is None:
                    raise
                time.sleep(pause)

    def _stream(self, rpc, message, timeout):
        def first():
            replies = rpc(message, timeout=timeout, metadata=self.metadata)
            return replies, next(replies, None)  # before it, nothing was said: safe to ask again

        replies, head = self._again(first)
        if head is not None:
            yield head
            yield from replies

    def _retry_delay(self, error):
        """Seconds to wait, if the server said so."""
        for key, value in error.trailing_metadata() or ():
            if key != "grpc-status-details-bin":
                continue
            status = _message_class(self.pool.FindMessageTypeByName("google.rpc.Status")).FromString(value)
            for detail in status.details:
                if detail.type_url.endswith("/google.rpc.RetryInfo"):
                    info = _message_class(self.pool.FindMessageTypeByName("google.rpc.RetryInfo"))
                    delay = info.FromString(detail.value).retry_delay
                    return delay.seconds + delay.nanos / 1e9
        return None


def main():
    parser = argparse.ArgumentParser(description="Ask a shoal server and print its answer.")
    parser.add_argument("question")
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--protoset", default="build/shoal.v1.binpb")
    parser.add_argument("--api-key-file")
    parser.add_argument("-n", "--max-tokens", type=int, default=256)
    words = parser.parse_args()
    key = None
    if words.api_key_file:
        with open(words.api_key_file) as file:
            lines = [words_of for line in file if (words_of := line.split("#")[0].split())]
        key = lines[0][0] if len(lines[0]) == 1 else lines[0][1]  # KEY, or NAME KEY WEIGHT
    with ShoalClient(words.server, words.protoset, api_key=key) as client:
        for piece in client.stream(chat=words.question, max_tokens=words.max_tokens):
            print(piece, end="", flush=True)
    print()


if __name__ == "__main__":
    sys.exit(main())
