#!/usr/bin/env bash
# usage: run_ranks.sh RANKS PROGRAM ARG...   a test program under mpirun, as root or not
set -eu
ranks=$1
shift
as_root=()
[ "$(id -u)" -eq 0 ] && as_root=(--allow-run-as-root)
exec mpirun -np "$ranks" "${as_root[@]}" --oversubscribe --bind-to none --mca btl self,vader,tcp "$@"
