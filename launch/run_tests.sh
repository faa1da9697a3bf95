#!/usr/bin/env bash
# usage: launch/run_tests.sh [--sanitize | --tsan] [--label NAME]... [--no-install]
# Builds everything and runs every test; the last line is "N passed, N failed". --sanitize builds
# with AddressSanitizer and UBSan in build-sanitize/ and runs the unit and rank tests; --tsan builds
# with ThreadSanitizer in build-tsan/ and runs the tests of what has threads. Labels: unit ranks
# fault e2e fuzz cuda; the fuzz targets have a build of their own (clang) in build-fuzz/ and run for
# 30 s each. "cuda" runs nothing: it compiles all CUDA code for sm_80 and sm_90a and links its tests
# in build-cuda/, where nvcc is found. SHOAL_BUILD_DIR names another build folder than build/.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${SHOAL_BUILD_DIR:-build}
labels=()
options=()
targets=()
select=()
# Without gRPC: Debian's is built without ThreadSanitizer, which then takes each hand-over for a race.
threaded=(thread_pool_test scheduler_test coordinator_test messages_test link_queues_test loopback_test)
install=yes
while [[ $# -gt 0 ]]; do
  case $1 in
    --sanitize)
      build=build-sanitize
      options+=(-DSHOAL_SANITIZE=ON)
      ;;
    --tsan)
      build=build-tsan
      options+=(-DSHOAL_TSAN=ON -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1")
      targets=("${threaded[@]}")
      select=(-R "unit[.]($(IFS='|'; echo "${threaded[*]}"))\$")
      ;;
    --label)
      labels+=("${2:?--label needs a name}")
      shift
      ;;
    --no-install) install=no ;;
    *)
      echo "error: unknown argument $1 (usage: launch/run_tests.sh [--sanitize | --tsan] [--label NAME]... [--no-install])" >&2
      exit 2
      ;;
  esac
  shift
done
if [[ ${#labels[@]} -eq 0 ]]; then
  labels=(unit ranks fault e2e fuzz cuda)
  [[ $build == build-sanitize ]] && labels=(unit ranks)
  [[ $build == build-tsan ]] && labels=(unit)
fi
[[ $install == yes ]] && launch/install_packages.sh

command -v ccache >/dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# build FOLDER TARGETS... -- CMAKE-OPTIONS...
build() {
  local folder=$1 wanted=()
  shift
  while [[ $1 != -- ]]; do wanted+=("$1"); shift; done
  shift
  echo "building in $folder/"
  mkdir -p "$folder"
  cmake -S . -B "$folder" -G Ninja "$@" >"$folder/configure.log" 2>&1 ||
    { tail -n 20 "$folder/configure.log"; echo "error: cmake could not configure the build" >&2; exit 1; }
  # One line every 25 files: progress for a log that nobody scrolls.
  NINJA_STATUS="  %p %f/%t " ninja -C "$folder" "${wanted[@]}" 2>&1 |
    awk '/^  +[0-9]+%/ { if (++n % 25 == 1) print; fflush(); next } { print; fflush() }' ||
    { echo "error: the build failed; the first 'error:' above says why" >&2; exit 1; }
}
# What the CUDA target is made of, as one line: unchanged, it is not even configured again.
cuda_state() {
  "$1" --version | tail -n 1
  find CMakeLists.txt kernels runtime/base runtime/device transport tests/gpu tests/unit/kernels \
    -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum
}
build_cuda() {
  local nvcc stamp=build-cuda/compiled_state state begin=$SECONDS
  nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) ||
    { echo "no nvcc in PATH or /usr/local/cuda/bin: CUDA code is not compiled"; return 0; }
  state=$(cuda_state "$nvcc")
  if [[ -f $stamp && $(<"$stamp") == "$state" ]]; then
    echo "[cuda] unchanged since it was compiled for sm_80 and sm_90a"
    return 0
  fi
  local launcher=()
  command -v ccache >/dev/null && launcher=(-DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
  build build-cuda cuda_code -- "${options[@]}" "${launcher[@]}" -DSHOAL_CUDA=ON \
    -DCMAKE_CUDA_COMPILER="$nvcc" "-DCMAKE_CUDA_ARCHITECTURES=80-real;90a-real"
  echo "$state" >"$stamp"
  echo "[cuda] compiled for sm_80 and sm_90a in $((SECONDS - begin)) s; run on a GPU: ctest -L gpu"
}
# The fuzz targets and the CUDA code need nothing else built.
[[ ${labels[*]} =~ ^((fuzz|cuda)\ ?)+$ ]] || build "$build" "${targets[@]}" -- "${options[@]}"
[[ " ${labels[*]} " == *" cuda "* ]] && build_cuda
if [[ " ${labels[*]} " == *" fuzz "* ]]; then
  if command -v clang++-16 >/dev/null; then
    build build-fuzz fuzz_targets -- "${options[@]}" -DCMAKE_CXX_COMPILER=clang++-16 \
      -DSHOAL_FUZZ=ON -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1"
  else
    echo "no clang++-16: the fuzz targets are left out"
    labels=("${labels[@]/fuzz/}")
  fi
fi

# Open MPI and what it links hold memory until the process ends; that is not ours to fix.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:abort_on_error=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

# The first TESTS or FAILURES of a JUnit file is the whole suite's.
attribute() { grep -oE "(^|[[:space:]])$1=\"[0-9]+\"" "$2" | head -n 1 | tr -dc 0-9; }

passed=0
failed=0
for label in "${labels[@]}"; do
  [[ -n $label && $label != cuda ]] || continue
  folder=$build
  [[ $label == fuzz ]] && folder=build-fuzz
  report=$PWD/$folder/$label.junit.xml
  rm -f "$report"
  # Rank, fault and end-to-end tests start processes of their own: one at a time.
  jobs=1
  [[ $label == unit ]] && jobs=$(nproc)
  [[ $label == fuzz ]] && jobs=2
  begin=$SECONDS
  (cd "$folder" && ctest -L "^$label\$" "${select[@]}" -j "$jobs" --output-on-failure --no-tests=ignore --output-junit "$report") || true
  [[ -f $report ]] || continue
  tests=$(attribute tests "$report" || true)
  bad=$(attribute failures "$report" || true)
  [[ ${tests:-0} -eq 0 ]] && continue
  passed=$((passed + ${tests:-0} - ${bad:-0}))
  failed=$((failed + ${bad:-0}))
  echo "[$label] ${tests:-0} tests, ${bad:-0} failed, $((SECONDS - begin)) s"
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && ($passed -gt 0 || ${labels[*]} == cuda) ]]
