"""Python packages for tests of real clients, in a virtual environment of the build folder.

It is made once and used again. Where pip reaches no index, the tests that need it are skipped and
say so.
"""
import os
import subprocess
import sys
from pathlib import Path

BIN = Path(os.environ.get("SHOAL_BIN", Path(__file__).resolve().parents[2] / "build/bin"))


def python_with(*packages):
    """(python, None), or (None, why it cannot be had). packages: requirements with versions."""
    folder = BIN.parent / "client-venv"
    python = folder / "bin/python"
    mark = folder / ("with-" + "-".join(sorted(packages)).replace("=", "_").replace("/", "_"))
    if mark.exists():
        return str(python), None
    steps = [[sys.executable, "-m", "venv", str(folder)]] if not python.exists() else []
    steps.append([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                  "--retries", "1", "--timeout", "20", *packages])
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"{' '.join(step[:3])}: {error}"
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            return None, f"no {', '.join(packages)}: {lines[-1] if lines else 'pip failed'}"
    mark.touch()
    return str(python), None
