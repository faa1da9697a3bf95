#!/usr/bin/env python3
"""Rules of the tree that a reader can rely on: file lengths, names, and a few words.

usage: check_tree.py [REPOSITORY]      exit 1 and one line for each file that breaks a rule
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
CODE = {".h", ".cpp", ".cu", ".cuh", ".py", ".sh", ".proto", ".cmake"}
MAX_LINES = {".cu": 800}
# Tables written by a script, which say so in their names.
GENERATED = re.compile(r"_table\.cpp$")

VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|misc|manager|handler|orchestrator|context|v2|new|old)(_|\.|$)")
SNAKE = re.compile(r"^[a-z0-9_.]+$")
# Outside our folders' naming: what other programs look for.
FIXED_NAMES = {"CMakeLists.txt", "README.md", "LICENSE"}


def tracked_files():
    try:
        out = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True)
        return [f for f in out.stdout.decode().split("\0") if f and (ROOT / f).is_file()]
    except (OSError, subprocess.CalledProcessError):
        return [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*") if p.is_file() and ".git/" not in str(p)]


def complaints(path):
    name, suffix = Path(path).name, Path(path).suffix
    if suffix not in CODE:
        return
    text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
    lines = text.count("\n")
    limit = MAX_LINES.get(suffix, 600)
    if lines > limit and not GENERATED.search(name):
        yield f"{path}: {lines} lines, at most {limit}: split it by noun"
    if VAGUE.search(name) or (not SNAKE.match(name) and name not in FIXED_NAMES):
        yield f"{path}: the name says nothing, or is not snake_case"
    if suffix in {".h", ".cpp", ".cu"}:
        if path.startswith("tests/") is False and re.search(r"\bgetenv\s*\(", text) and path != "runtime/base/env.cpp":
            yield f"{path}: reads the environment; runtime/base/env.cpp does that"
        if re.search(r"//.*\b(TODO|FIXME|XXX)\b", text):
            yield f"{path}: holds a TODO"
        if suffix == ".h" and not text.lstrip().startswith("//"):
            yield f"{path}: a header opens with the comment that is its contract"


def main():
    files = tracked_files()
    found = [c for f in files for c in complaints(f)]
    for line in found:
        print(line)
    sizes = sorted(sum(1 for _ in open(ROOT / f, "rb")) for f in files
                   if Path(f).suffix in {".h", ".cpp"} and not GENERATED.search(f))
    if sizes:
        print(f"{len(sizes)} C++ files: median {sizes[len(sizes) // 2]} lines, "
              f"90% within {sizes[len(sizes) * 9 // 10]}, longest {sizes[-1]}")
    print(f"{len(found)} against the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
