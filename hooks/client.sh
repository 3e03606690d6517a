#!/bin/sh
# schemagate hook @HOOK@ 1: written by `schemagate install`, removed by `schemagate uninstall`.
# It only runs the program. If the program is gone, it warns, and the server remains the judge.
if [ -x @PROGRAM@ ]; then
  exec @PROGRAM@ hook --shim "$0" @HOOK@ "$@"
fi
echo "warning: schemagate is not at "@PROGRAM@"; migrations were not checked here" >&2
if [ -x "$0.schemagate-prev" ]; then
  exec "$0.schemagate-prev" "$@"
fi
exit 0
