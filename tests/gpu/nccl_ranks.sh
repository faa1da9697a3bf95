#!/usr/bin/env bash
# usage: nccl_ranks.sh BUILD_FOLDER [RANKS...]   several ranks on GPUs over NCCL; default widths 1 2 4
# With fewer GPUs than ranks they share one, which NCCL allows from 2.30 on: for correctness only.
#   1. the exchange against formulas at odd sizes, in a stream and recorded, with its microseconds
#   2. greedy text of the demo model against the goldens, as one stage and as two
#   3. the same text from shoal-engine at every width
#   4. SIGKILL of one rank while it decodes: the others leave within 5 s and name it
set -u
build=$1
shift
widths=(${@:-1 2 4})
here=$(cd "$(dirname "$0")/../.." && pwd)
model=$(ls "$here"/tests/models/*-00001-of-*.gguf | head -1)
gpus=$(nvidia-smi -L | wc -l)
log=$(mktemp -d)
failed=0
as_root=()
[ "$(id -u)" -eq 0 ] && as_root=(--allow-run-as-root)
export NCCL_NVLS_ENABLE=0 SHOAL_BACKEND=cuda SHOAL_STEP_TIMEOUT_MS=20000

on_ranks() { # RANKS SECONDS COMMAND...
  local ranks=$1 seconds=$2
  shift 2
  if [ "$ranks" -gt "$gpus" ]; then
    export NCCL_MULTI_RANK_GPU_ENABLE=1 NCCL_MAX_CTAS=4
  fi
  timeout -k 5 "$seconds" mpirun -np "$ranks" "${as_root[@]}" --oversubscribe --bind-to none \
    --enable-recovery --mca btl self,vader,tcp "$@"
}
verdict() { # NAME STATUS
  if [ "$2" -eq 0 ]; then echo "ok     $1"; else echo "FAILED $1"; failed=1; fi
}
# A run passes when every rank says so: mpirun's own exit code may be that of its clean-up.
all_pass() { # RANKS FILE
  [ "$(grep -c 'tests, 0 failed' "$2")" -eq "$1" ]
}

echo "gpus: $gpus; $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -1)"
for ranks in "${widths[@]}"; do
  for test in device_exchange_test device_text_test; do
    begin=$SECONDS
    on_ranks "$ranks" 45 "$build/tests/$test" >"$log/$test.$ranks" 2>&1
    status=$?
    all_pass "$ranks" "$log/$test.$ranks"
    verdict "$test on $ranks ranks (exit $status, $((SECONDS - begin)) s)" $?
    grep -E 'us recorded' "$log/$test.$ranks"
    grep -vE 'us recorded|\] ok |0 failed' "$log/$test.$ranks" | head -25
  done
done

prompt="A mutex is a lock that"
"$build/bin/shoal-engine" greedy --backend cpu -m "$model" -p "$prompt" -n 48 >"$log/cpu" 2>/dev/null
for ranks in "${widths[@]}"; do
  on_ranks "$ranks" 45 "$build/bin/shoal-engine" greedy --backend cuda -m "$model" -p "$prompt" \
    -n 48 >"$log/text.$ranks" 2>"$log/text.$ranks.err"
  cmp -s "$log/cpu" "$log/text.$ranks"
  same=$?
  verdict "shoal-engine greedy on $ranks ranks equals the CPU's text" $same
  [ "$same" -eq 0 ] || head -12 "$log/text.$ranks.err" "$log/text.$ranks"
done

for ranks in "${widths[@]}"; do
  [ "$ranks" -gt 1 ] || continue
  SHOAL_STEP_TIMEOUT_MS=4000
  on_ranks "$ranks" 45 "$build/bin/shoal-engine" greedy --backend cuda -m "$model" -p "See also: " \
    -n 990 -c 1024 -v >"$log/kill.$ranks" 2>&1 &
  runner=$!
  for _ in $(seq 100); do
    grep -q 'backend: cuda' "$log/kill.$ranks" && break
    sleep 0.1
  done
  sleep 5
  pids=$(for p in $(pgrep -x shoal-engine); do
    tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -q '^OMPI_COMM_WORLD_RANK=' && echo "$p"
  done)
  victim=$(for p in $pids; do
    tr '\0' '\n' <"/proc/$p/environ" | grep -qx 'OMPI_COMM_WORLD_RANK=1' && echo "$p"
  done)
  if [ -z "$victim" ]; then
    verdict "SIGKILL of rank 1 of $ranks: it had ended before" 1
    head -20 "$log/kill.$ranks"
    continue
  fi
  begin=$(date +%s%N)
  kill -9 "$victim"
  left=1
  while [ "$left" -ne 0 ] && [ $(($(date +%s%N) - begin)) -lt 10000000000 ]; do
    left=0
    for p in $pids; do
      [ "$p" != "$victim" ] && [ -d "/proc/$p" ] && ! grep -q '^State:.Z' "/proc/$p/status" && left=1
    done
    sleep 0.02
  done
  took=$((($(date +%s%N) - begin) / 1000000))
  named=$(grep -c 'rank 1 has ended' "$log/kill.$ranks")
  [ "$left" -eq 0 ] && [ "$took" -lt 5000 ] && [ "$named" -ge 1 ]
  verdict "SIGKILL of rank 1 of $ranks: the others left after $took ms, $named named it" $?
  [ "$named" -ge 1 ] || tail -15 "$log/kill.$ranks"
  for p in $pids; do kill -9 "$p" 2>/dev/null; done
  wait "$runner" 2>/dev/null
  SHOAL_STEP_TIMEOUT_MS=20000
done
cp "$log"/* "${OUT:-$log}" 2>/dev/null
exit $failed
