#!/usr/bin/env bash
# Makes replay.png: the demo as a session, some of it labelled, and what the window shows of it. Needs a built program
# (cargo build --release) and no display; $1 is the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=${1:-seseragi}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" import "$here/../demo/demo.flac" --out "$work/brook.mcap" --model digits
printf '22.6\t24.1\tbird\n\\\t2200\t6200\n27.3\t28.6\tbell\n\\\t700\t4200\n' > "$work/labels.txt"
"$program" import "$work/labels.txt" --out "$work/brook.mcap"
"$program" replay "$work/brook.mcap" --at 25 --paused --mute --headless --screenshot "$here/replay.png" --after 6 --exit-after 9
