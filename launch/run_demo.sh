#!/usr/bin/env bash
# usage: launch/run_demo.sh [RANKS]
# From a fresh Debian 12 to an answer: installs packages, builds, serves the demo model on 3 ranks
# through mpirun, asks it one question over gRPC, and shows what each rank held and did. May be run
# again at any time; asks nothing. Needs root or sudo only to install packages. SHOAL_BUILD_DIR names
# another build folder than build/.
set -euo pipefail
cd "$(dirname "$0")/.."
ranks=${1:-3}
build=${SHOAL_BUILD_DIR:-build}
model=tests/models/Shoal-Demo-36M-UD-Q4_K_XL-00001-of-00005.gguf
question="What is a mutex?"
work=$(mktemp -d)
server=

stop_server() {
  [[ -z $server ]] && return
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
}
trap 'stop_server; rm -rf "$work"' EXIT
fail() {
  echo "error: $1" >&2
  [[ -n ${2:-} ]] && echo "next: $2" >&2
  exit 1
}

echo "[1/4] packages"
launch/install_packages.sh

echo "[2/4] build (a few minutes the first time)"
options=(-DCMAKE_BUILD_TYPE=RelWithDebInfo)
command -v ccache >/dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# CUDA only where a GPU answers and the compiler for it is there.
if timeout 20 nvidia-smi -L >/dev/null 2>&1 && command -v nvcc >/dev/null && grep -q SHOAL_CUDA CMakeLists.txt; then
  options+=(-DSHOAL_CUDA=ON)
fi
cmake -S . -B "$build" -G Ninja "${options[@]}" >"$work/configure.log" 2>&1 ||
  { tail -n 20 "$work/configure.log" >&2; fail "cmake could not configure the build" "read the lines above; remove $build/ if it came from another machine"; }
NINJA_STATUS="[2/4] %p %f/%t " ninja -C "$build" shoal shoal-worker 2>&1 | tee "$work/build.log" |
  awk '/^\[2\/4\]/ { if (++n % 20 == 1) print; next } { print }' ||
  fail "the build failed" "the first 'error:' in the lines above says why"

echo "[3/4] serving the demo model on $ranks ranks"
"$build"/bin/shoal serve -m "$model" --ranks "$ranks" -c 1024 --grpc-port 0 --http-port 0 >"$work/ready" 2>"$work/serve.log" &
server=$!
for _ in $(seq 1200); do
  [[ -s $work/ready ]] && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
if [[ ! -s $work/ready ]]; then
  cat "$work/serve.log" >&2
  fail "the server did not get ready" "run: $build/bin/shoal serve -v -m $model --ranks $ranks"
fi
cat "$work/ready"
address=$(sed -n 's/.*gRPC \([^, ]*\).*/\1/p' "$work/ready")

echo "[4/4] asking: $question"
echo
"$build"/bin/shoal generate --server "$address" --chat "$question" -n 96 ||
  fail "the request failed" "the server's log: $(tail -n 3 "$work/serve.log" | tr '\n' ' ')"
echo
"$build"/bin/shoal status --server "$address"
stop_server
echo
echo "done. Try it yourself: $build/bin/shoal chat -m $model --ranks $ranks -c 1024"
