#!/bin/sh
# One run in a pod; what is given after the image's name goes to pytest. A pod is no place to hear the wire from, and
# this image holds no GitOps repository: checks that need one of them are left out, and the report says so.
#
#   RUN       the run's name; where it is empty, JOB_NAME, then POD_NAME
#   RESULTS   the folder for the files of runs; each gets a folder of its own there
#   SHARDS    how many parts the run has, in an Indexed Job; JOB_COMPLETION_INDEX says which one this is
#   CHECKS    which checks to run, as pytest's -m has it
#   PROFILE   the cluster's profile
#   KEEP_DAYS older runs go, but for those that something rests on; empty: none goes
#
# With `merge` as the only argument it joins the parts of RUN instead.
set -eu
umask 077
cd "$(dirname "$0")"
# It stands in every folder that this script made. Nothing is removed without it.
marker=.made-by-metallb-conformance

refuse() {
    echo "error: $1" >&2
    exit 4
}

# A run's name becomes a folder beside history.db and the journals: one plain word, with one dot at most (as --run-id).
check_name() {
    case $2 in
    "") refuse "$1 is empty. Give the run a name in RUN (the pod's label job-name, or its own name)." ;;
    *[!abcdefghijklmnopqrstuvwxyz0123456789.-]* | [.-]* | *[.-] | *..* | *.*.*)
        refuse "$1 \"$2\" is no name of a run. Use lower case letters, digits and dashes, at most one dot." ;;
    esac
}

check_number() {
    case $2 in
    "" | *[!0123456789]*) refuse "$1 \"$2\" is no number. An Indexed Job sets JOB_COMPLETION_INDEX, SHARDS is the number of parts, KEEP_DAYS one of days." ;;
    esac
}

# Remove a folder that an earlier run of the same name left, and nothing else.
remove_own() {
    [ -e "$1" ] || [ -L "$1" ] || return 0
    [ ! -L "$1" ] && [ -f "$1/$marker" ] ||
        refuse "$1 is there, and no run made it (it has no $marker). Move it away, or give the run another name."
    rm -rf -- "${1:?}"
}

case ${RESULTS:-} in
/*) [ -d "$RESULTS" ] || refuse "RESULTS $RESULTS is no folder. Mount the volume for the results there." ;;
*) refuse "RESULTS \"${RESULTS:-}\" is no absolute path. Name the folder for the results." ;;
esac
name=${RUN:-${JOB_NAME:-}}
if [ "${1:-}" = merge ]; then
    check_name RUN "$name"
    whole=$RESULTS/$name
    set --
    for part in "$whole".[0123456789]*; do
        [ ! -d "$part" ] || set -- "$@" "$part"
    done
    [ $# -gt 0 ] || refuse "There is no part of run $name in $RESULTS. Its parts are folders named $name.1, $name.2 and so on."
    remove_own "$whole"
    code=0
    python -m reports merge "$@" --output "$whole" || code=$?
    [ ! -d "$whole" ] || : >"$whole/$marker"
    exit $code
fi
history=$RESULTS/history.db
if [ -n "${SHARDS:-}" ]; then
    # Not the pod's own name, which each part has another one of: the parts are joined by the name that they share.
    check_name RUN "$name"
    check_number SHARDS "$SHARDS"
    check_number JOB_COMPLETION_INDEX "${JOB_COMPLETION_INDEX:-}"
    part=$((JOB_COMPLETION_INDEX + 1))
    name=$name.$part
    # Parts run at the same time on several machines, and a database on a shared file system is no place for that.
    history=$RESULTS/$name/history.db
    set -- --shard "$part/$SHARDS" "$@"
else
    name=${name:-${POD_NAME:-}}
fi
check_name RUN "$name"
if [ -n "${KEEP_DAYS:-}" ]; then
    check_number KEEP_DAYS "$KEEP_DAYS"
    # What cannot be let go is no reason to look at nothing tonight; it has been said.
    [ -n "${SHARDS:-}" ] || [ ! -f "$history" ] ||
        python -m reports prune --older-than "$KEEP_DAYS" --out "$RESULTS" --history "$history" --delete || :
fi
# A part that is begun anew leaves nothing of the time before.
remove_own "$RESULTS/$name"
mkdir -- "$RESULTS/$name"
: >"$RESULTS/$name/$marker"
# What must outlive a run that is killed: its journal.
export METALLB_CONFORMANCE_STATE="${METALLB_CONFORMANCE_STATE:-$RESULTS/state}"
exec pytest suites -p no:cacheprovider -m "${CHECKS:-not wire and not repository}" \
    --cluster "${PROFILE:-/etc/metallb-conformance/profile.yaml}" --run-id "$name" --report-dir "$RESULTS/$name" --history "$history" "$@"
