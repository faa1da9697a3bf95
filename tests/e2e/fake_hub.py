"""A hub on this machine: a file list and files, as the public one answers, with faults on demand.

Two servers: the hub itself, and the file server on another port that /resolve/ redirects to.
"""
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that left


class Hub:
    """files: {path: bytes} of the repository `repo`. Faults are attributes, changed at any time."""

    def __init__(self, repo, files, token=None, page_size=1000):
        self.repo, self.files, self.token, self.page_size = repo, dict(files), token, page_size
        self.requests = []           # (server, path, headers) in order
        self.lock = threading.Lock()
        self.statuses = []           # [(regex, status, {header: value}, times)]: answered instead
        self.drop_after = {}         # path: [bytes, ...]: the nth transfer ends early after so many
        self.served = {}             # path: bytes to serve instead of the right ones
        self.listed = {}             # path: fields of the list's entry to change
        self.ranges = True
        self.bytes_per_second = 0    # of each transfer; 0: as fast as it goes
        self.redirect = True
        self.hub = Server(("127.0.0.1", 0), self.handler("hub"))
        self.store = Server(("127.0.0.1", 0), self.handler("store"))
        for server in (self.hub, self.store):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.hub.server_address[1]}"

    def close(self):
        for server in (self.hub, self.store):
            server.shutdown()
            server.server_close()

    def fail(self, pattern, status, times=10**9, **headers):
        self.statuses.append([re.compile(pattern), status, {k.replace("_", "-"): v for k, v in headers.items()}, times])

    def entry(self, path):
        data = self.files[path]
        entry = {"type": "file", "oid": "0" * 40, "size": len(data), "path": path,
                 "lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}
        entry.update(self.listed.get(path, {}))
        return entry

    def handler(hub, name):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                with hub.lock:
                    hub.requests.append((name, self.path, dict(self.headers)))
                    for fault in hub.statuses:
                        if fault[0].search(self.path) and fault[3] > 0:
                            fault[3] -= 1
                            return self.answer(fault[1], b"{}", **fault[2])
                if name == "hub" and hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                    return self.answer(401, b'{"error":"Invalid username or password."}')
                api = f"/api/models/{hub.repo}/tree/main"
                if name == "hub" and self.path.startswith(api):
                    return self.list_files(self.path[len(api):])
                resolve = f"/{hub.repo}/resolve/main/"
                if self.path.startswith(resolve) and self.path[len(resolve):] in hub.files:
                    if name == "hub" and hub.redirect:
                        port = hub.store.server_address[1]
                        return self.answer(302, Location=f"http://127.0.0.1:{port}{self.path}?signature=x")
                    return self.send_file(self.path[len(resolve):])
                if name == "store" and self.path.startswith(resolve):
                    return self.send_file(self.path[len(resolve):].split("?")[0])
                return self.answer(404, b'{"error":"Repository not found"}')

            def list_files(self, query):
                start = int(re.search(r"cursor=(\d+)", query)[1]) if "cursor=" in query else 0
                paths = list(hub.files)
                folders = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": p.rsplit("/", 1)[0]}
                           for p in paths if "/" in p]
                page = [hub.entry(p) for p in paths[start:start + hub.page_size]] + (folders if not start else [])
                headers = {}
                if start + hub.page_size < len(paths):
                    headers["Link"] = f'<{hub.url}/api/models/{hub.repo}/tree/main?recursive=1&cursor={start + hub.page_size}>; rel="next"'
                self.answer(200, json.dumps(page).encode(), **headers)

            def send_file(self, path):
                data = hub.served.get(path, hub.files[path])
                begin, end, status = 0, len(data), 200
                asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                if asked and hub.ranges:
                    begin, status = int(asked[1]), 206
                    end = min(end, int(asked[2]) + 1) if asked[2] else end
                    if begin >= len(data):
                        return self.answer(416)
                self.send_response(status)
                self.send_header("Content-Length", str(end - begin))
                if status == 206:
                    self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
                self.end_headers()
                drops = hub.drop_after.get(path, [])
                stop = min(end, begin + drops.pop(0)) if drops else end
                piece = 1 << 16 if not hub.bytes_per_second else max(1, hub.bytes_per_second // 20)
                for at in range(begin, stop, piece):
                    self.wfile.write(data[at:min(at + piece, stop)])
                    if hub.bytes_per_second:
                        time.sleep(0.05)
                if stop < end:
                    self.close_connection = True
                    self.connection.shutdown(2)
        return Handler
