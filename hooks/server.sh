#!/bin/sh
# schemagate hook @HOOK@ 1: written by `schemagate install`, removed by `schemagate uninstall`.
# It only runs the program. If the program is gone, Git refuses.
exec @PROGRAM@ hook --shim "$0" @HOOK@ "$@"
