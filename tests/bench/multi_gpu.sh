#!/usr/bin/env bash
# usage: multi_gpu.sh N [BUILD_FOLDER]   everything that is said of several GPUs, on N ranks of this host
# Correctness first (tests/gpu/nccl_ranks.sh), then load and speed with random weights: batch 1, 8, 32
# and 64, and a prompt of 2048 tokens, on one rank, on N as one stage, and as two stages of N / 2.
# SHAPES="35b:ud-q4 397b:ud-q3" names others. Keep the output with its cards and commit under
# docs/measurements/.
set -u
ranks=${1:?how many ranks}
here=$(cd "$(dirname "$0")/../.." && pwd)
build=${2:-$here/build}
shapes=${SHAPES:-35b:ud-q4}
as_root=()
[ "$(id -u)" -eq 0 ] && as_root=(--allow-run-as-root)
export NCCL_NVLS_ENABLE=0
if [ "$ranks" -gt "$(nvidia-smi -L | wc -l)" ]; then
  echo "fewer GPUs than ranks: they share one, so the speeds below mean nothing"
  export NCCL_MULTI_RANK_GPU_ENABLE=1 NCCL_MAX_CTAS=4
fi

echo "commit $(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo unknown)"
nvidia-smi --query-gpu=index,name,memory.total,driver_version --format=csv,noheader
nvidia-smi topo -m 2>/dev/null | head -12

bash "$here/tests/gpu/nccl_ranks.sh" "$build" 1 "$ranks"
status=$?

bench() { # RANKS STAGES SHAPE
  echo "== $3 on $1 ranks, $2 stages"
  local begin=$SECONDS
  timeout -k 5 900 mpirun -np "$1" "${as_root[@]}" --oversubscribe --bind-to none \
    "$build/bin/shoal-engine" bench --backend cuda --synthetic "$3" --pp "$2" --ep $(($1 / $2)) \
    -p 2048 -b 2048 -n 128 --npl 1,8,32,64 --npp 256 -r 2 || { echo "FAILED: exit $?"; status=1; }
  echo "   whole run, load included: $((SECONDS - begin)) s"
}
for shape in $shapes; do
  bench 1 1 "$shape"
  [ "$ranks" -gt 1 ] || continue
  bench "$ranks" 1 "$shape"
  [ $((ranks % 2)) -eq 0 ] && bench "$ranks" 2 "$shape"
done
exit $status
