#!/usr/bin/env python3
"""Includes go one way: each folder may include the folders listed for it and nothing else.

usage: check_includes.py [REPOSITORY]      exit 1 and one line for each include that breaks a rule
"""
import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()

# The longest matching prefix names a file's folder. "*" may include everything but tests.
MAY_INCLUDE = {
    "runtime/base": [],
    "runtime/device": ["runtime/base"],
    "kernels": ["runtime/base", "runtime/device"],
    "loader/format": ["runtime/base"],
    "loader/io": ["runtime/base", "runtime/device", "loader/format"],
    "loader/hub": ["runtime/base", "loader/format"],
    "sharding": ["runtime/base", "loader/format"],
    "transport": ["runtime/base", "runtime/device", "sharding", "kernels"],
    "runtime/plan": ["runtime/base"],
    "runtime/control": ["runtime/base", "runtime/plan", "sharding"],
    "runtime/text": ["runtime/base", "loader/format"],
    "runtime/cache": ["runtime/base"],
    "runtime/model": ["runtime/base", "runtime/device", "kernels", "transport", "runtime/cache",
                      "sharding", "loader/format"],
    "runtime/scheduler": ["runtime/base", "runtime/cache", "runtime/plan"],
    "runtime/engine": ["runtime/base", "runtime/device", "runtime/model", "runtime/plan",
                       "runtime/control", "runtime/cache", "runtime/text", "kernels",
                       "transport", "sharding",
                       "loader/format", "loader/io"],
    "runtime/coordinator": ["runtime/base", "runtime/plan", "runtime/cache", "runtime/scheduler",
                            "runtime/text", "runtime/control", "sharding", "loader/format"],
    "launch": ["*"],
    "tests": ["*", "tests"],
}

# Headers of libraries that only some places may see.
LIBRARY_HEADERS = [
    (re.compile(r"mpi\.h$"), ["transport/mpi_", "tests/", "launch/engine_main", "launch/worker_main"]),
    (re.compile(r"grpc(pp)?/"), ["runtime/coordinator/", "runtime/control/grpc/", "tests/"]),
    (re.compile(r"(cuda|cublas|nccl|nvtx)"), ["runtime/device/", "kernels/cuda/", "transport/nccl_",
                                             "tests/gpu/"]),
    (re.compile(r"curl/"), ["loader/hub/"]),
    (re.compile(r"httplib\.h$"), ["runtime/coordinator/", "tests/"]),
]

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}


def folder_of(path):
    names = [f for f in MAY_INCLUDE if path == f or path.startswith(f + "/")]
    return max(names, key=len) if names else None


def complaints(path):
    own = folder_of(path)
    text = (ROOT / path).read_text(encoding="utf-8")
    for quote, target in INCLUDE.findall(text):
        if quote == '"':
            other = folder_of(target)
            # Generated headers (protobuf) belong to the folder that includes them.
            if other is None or other == own:
                continue
            allowed = MAY_INCLUDE[own]
            if other not in allowed and not ("*" in allowed and other != "tests"):
                yield f"{path} includes {target}: {own} may include {', '.join(allowed) or 'nothing'}"
        else:
            for pattern, places in LIBRARY_HEADERS:
                if pattern.match(target) and not any(path.startswith(p) for p in places):
                    yield f"{path} includes <{target}>: only {', '.join(places)} may"


def main():
    files = [p.relative_to(ROOT).as_posix() for top in ("runtime", "kernels", "loader", "sharding",
                                                        "transport", "launch", "tests")
             for p in sorted((ROOT / top).rglob("*")) if p.suffix in SUFFIXES]
    found = [c for f in files if folder_of(f) for c in complaints(f)]
    homeless = [f"{f} is in no known folder" for f in files if folder_of(f) is None]
    for line in found + homeless:
        print(line)
    print(f"{len(files)} files, {len(found) + len(homeless)} includes against the rules")
    return 1 if found or homeless else 0


if __name__ == "__main__":
    sys.exit(main())
