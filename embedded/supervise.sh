#!/bin/sh
# supervise.sh LOG REMOVE GRACE COMMAND ARGS...
#
# Runs COMMAND with its output appended to LOG, prints its process id, and exits with its status. When standard input ends,
# which it also does when the parent dies by SIGKILL, COMMAND is ended: SIGTERM, and after GRACE seconds SIGKILL; then the
# folder REMOVE goes (none if empty), for nobody else is left to do it.
log=$1 remove=$2 grace=$3
shift 3

# A background command's standard input is /dev/null; descriptor 3 keeps ours.
exec 3<&0
"$@" </dev/null 3<&- >>"$log" 2>&1 &
child=$!
echo "$child"
exec >&-

(
  while read -r _; do :; done <&3
  trap '' TERM
  kill -TERM "$child"
  # A stopped process takes SIGTERM only when it goes on.
  kill -CONT "$child"
  waited=0
  while [ "$waited" -lt "$((grace * 10))" ] && kill -0 "$child"; do
    sleep 0.1
    waited=$((waited + 1))
  done
  kill -KILL "$child"
  exit 0
) 2>/dev/null &
watcher=$!

wait "$child"
status=$?
# The watcher takes SIGTERM unless standard input has ended.
kill -TERM "$watcher" 2>/dev/null
if wait "$watcher" && [ -n "$remove" ]; then rm -rf "$remove"; fi
exit "$status"
