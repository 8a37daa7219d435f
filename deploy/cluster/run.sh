#!/bin/sh
# One run in a pod; what is given after the image's name goes to pytest. A pod is no place to hear the wire from, and
# this image holds no GitOps repository: checks that need one of them are left out, and the report says so.
#
#   RUN       the run's name
#   RESULTS   the folder for the files of runs; each gets a folder of its own there
#   SHARDS    how many parts the run has, in an Indexed Job; JOB_COMPLETION_INDEX says which one this is
#   CHECKS    which checks to run, as pytest's -m has it
#   PROFILE   the cluster's profile
#
# With `merge` as the only argument it joins the parts of RUN instead.
set -eu
cd "$(dirname "$0")"
if [ "${1:-}" = merge ]; then
    rm -rf -- "$RESULTS/$RUN"
    exec python -m reports merge "$RESULTS/$RUN".* --output "$RESULTS/$RUN"
fi
name=$RUN
history=$RESULTS/history.db
if [ -n "${SHARDS:-}" ]; then
    part=$((JOB_COMPLETION_INDEX + 1))
    name=$RUN.$part
    # Parts run at the same time on several machines, and a database on a shared file system is no place for that.
    history=$RESULTS/$name/history.db
    set -- --shard "$part/$SHARDS" "$@"
fi
# A part that is begun anew leaves nothing of the time before.
rm -rf -- "${RESULTS:?}/$name"
# What must outlive a run that is killed: its journal.
export METALLB_CONFORMANCE_STATE="${METALLB_CONFORMANCE_STATE:-$RESULTS/state}"
exec pytest suites -p no:cacheprovider -m "${CHECKS:-not wire and not repository}" \
    --cluster "${PROFILE:-/etc/metallb-conformance/profile.yaml}" --run-id "$name" --report-dir "$RESULTS/$name" --history "$history" "$@"
