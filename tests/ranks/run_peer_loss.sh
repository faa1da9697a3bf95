#!/usr/bin/env bash
# usage: run_peer_loss.sh RANKS PROGRAM exit|stop   passes when every survivor says so
# mpirun's own exit code says nothing here: it counts the victim.
set -u
ranks=$1
program=$2
mode=$3
as_root=()
[ "$(id -u)" -eq 0 ] && as_root=(--allow-run-as-root)
out=$(timeout 60 mpirun -np "$ranks" "${as_root[@]}" --oversubscribe --bind-to none \
  --enable-recovery --mca btl self,vader,tcp "$program" "$mode" 2>&1)
echo "$out"
survivors=$(grep -c '^survivor [0-9]* ok' <<<"$out")
echo "$survivors of $((ranks - 1)) survivors named the lost rank"
[ "$survivors" -eq $((ranks - 1)) ]
