#!/usr/bin/env bash
# Makes replay.png: the demo as a session, some of it labelled, and what the window shows of it. Needs a built program
# (cargo build --release) and no display; $1 is the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=${1:-seseragi}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" import "$here/../demo/demo.flac" --out "$work/brook.mcap" --model digits
printf '26.75\t28.5\tbell\n\\\t180\t3400\n31.95\t32.7\tbird\n\\\t1900\t6000\n' > "$work/labels.txt"
"$program" import "$work/labels.txt" --out "$work/brook.mcap"
echo '(window: (width: 1440, height: 960))' > "$work/config.ron"
"$program" replay "$work/brook.mcap" --config "$work/config.ron" --source demo --at 29.4 --paused --mute --headless \
    --screenshot "$here/replay.png" --after 9 --exit-after 12
