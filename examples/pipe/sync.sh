#!/usr/bin/env bash
# Moves what has changed from Kinetic into a target, and keeps STATE for the next time.
#
#   ./sync.sh config.json state.json target-snowflake --config target.json
#   ./sync.sh ENV state.json ...       settings from TAP_EPICOR_KINETIC_* instead of a file
#
# KINETIC_CATALOG may name a catalog, with the streams and columns that are selected.
#
# STATE is what the target says it has loaded, kept line by line: a run that is cut goes on from
# there. The exit code is the target's, or the tap's where the target is content.
set -euo pipefail

config=$1
state=$2
shift 2

keep_state() {
  # `read` fails on a line without an end, so half a STATE is never kept.
  while IFS= read -r line; do
    printf '%s\n' "$line" >"$state.new"
    mv -- "$state.new" "$state"
  done
}

arguments=(--config "$config")
if [[ -s $state ]]; then arguments+=(--state "$state"); fi
if [[ -n ${KINETIC_CATALOG:-} ]]; then arguments+=(--catalog "$KINETIC_CATALOG"); fi

tap-epicor-kinetic "${arguments[@]}" | "$@" | keep_state
