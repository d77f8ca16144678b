#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A service is a folder below options.root. Each operation may be run again at any time.
set -eu
: "${PROVOST_OPTION_ROOT:?set options.root}"
folder=$PROVOST_OPTION_ROOT/$PROVOST_REF

case $1.$2 in
create.run)    mkdir -p "$folder" ;;
suspend.run)   [ ! -d "$folder" ] || mv "$folder" "$folder.off" ;;
unsuspend.run) [ ! -d "$folder.off" ] || mv "$folder.off" "$folder" ;;
terminate.run|create.undo) rm -rf "$folder" "$folder.off" ;;
*)             echo "no such operation: $1 $2" >&2; exit 65 ;;
esac
