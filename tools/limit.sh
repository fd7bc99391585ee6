#!/usr/bin/env bash
# Runs a command inside a kernel-enforced memory limit and says on stderr which kernel mechanism it got:
#
#   tools/limit.sh 600MiB build/snug train timeseries --budget 600MiB
#
# cgroup v2 (memory.max, no swap), cgroup v1 (limit_in_bytes, no swap), else RLIMIT_DATA and RLIMIT_AS; LIMIT_KIND=rlimit takes
# these at once. With LIMIT_REPORT=FILE the peak that the kernel counted and the number of kills are written there. The exit
# status is the command's.
set -u

if [ $# -lt 2 ]; then
    echo "usage: tools/limit.sh SIZE COMMAND [ARG ...]" >&2
    exit 2
fi

size=$1
shift
case $size in
*GiB | *G) bytes=$((${size%%G*} * 1073741824)) ;;
*MiB | *M) bytes=$((${size%%M*} * 1048576)) ;;
*KiB | *K) bytes=$((${size%%K*} * 1024)) ;;
*) bytes=${size%B} ;;
esac

report() {
    [ -z "${LIMIT_REPORT:-}" ] || printf '%s\n' "$@" >"$LIMIT_REPORT"
}

# The unified hierarchy: beside our own group or above it, where memory is handed down to and we may move ourselves.
try_v2() {
    local place own
    place=$(sed -n 's/^0:://p' /proc/self/cgroup)
    while [ -n "$place" ]; do
        place=${place%/*}
        own=/sys/fs/cgroup$place/snug-limit-$$
        mkdir "$own" 2>/dev/null || continue
        if [ -w "$own/memory.max" ] && echo "$bytes" 2>/dev/null >"$own/memory.max" && sh -c 'echo $$ >"$0/cgroup.procs"' "$own" 2>/dev/null; then
            echo 0 >"$own/memory.swap.max" 2>/dev/null
            group=$own peak=$own/memory.peak kills="$own/memory.events" kind="cgroup v2 memory.max"
            return 0
        fi
        rmdir "$own"
    done
    return 1
}

try_v1() {
    local root=/sys/fs/cgroup/memory own
    [ -d "$root" ] && [ -w "$root" ] || return 1
    own=$root/snug-limit-$$
    mkdir "$own" 2>/dev/null || return 1
    if ! echo "$bytes" >"$own/memory.limit_in_bytes" 2>/dev/null; then
        rmdir "$own"
        return 1
    fi
    echo "$bytes" >"$own/memory.memsw.limit_in_bytes" 2>/dev/null
    echo 0 >"$own/memory.swappiness" 2>/dev/null
    group=$own peak=$own/memory.max_usage_in_bytes kills="$own/memory.oom_control" kind="cgroup v1 limit_in_bytes"
}

if [ "${LIMIT_KIND:-auto}" != rlimit ] && { try_v2 || try_v1; }; then
    echo "limit: $bytes bytes by $kind" >&2
    # The child joins the group before it becomes the command, so that not a page is charged elsewhere.
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
    status=$?
    killed=$(awk '$1 == "oom_kill" { print $2 }' "$kills" 2>/dev/null)
    report "kind=$kind" "limit_bytes=$bytes" "peak_bytes=$(cat "$peak" 2>/dev/null)" "oom_kills=${killed:-unknown}" "status=$status"
    rmdir "$group" 2>/dev/null
    exit $status
fi

# The address space also holds the program, its libraries, and what is reserved and never touched: 64 MiB are plenty for those.
echo "limit: $bytes bytes by RLIMIT_DATA" >&2
(ulimit -d $((bytes / 1024)) && ulimit -v $(((bytes + 67108864) / 1024)) && exec "$@")
status=$?
report "kind=RLIMIT_DATA" "limit_bytes=$bytes" "status=$status"
exit $status
