#!/usr/bin/env bash
# Makes replay.png: the demo as a session, some of it labelled, and what the window shows of it beside a live lane. Needs a built
# program (cargo build --release), ffmpeg for fewer colours, and no display; $1 is the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=${1:-$here/../../target/release/seseragi}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" import "$here/../demo/demo.flac" --out "$work/brook.mcap" --model digits
# Bells, birds and a sweep, as somebody with Audacity would label them: time, text, and the band in a line of its own.
printf '%s\t%s\t%s\n\\\t%s\t%s\n' \
    8.9 10.75 'bell 鐘' 200 5600 \
    13.95 15.3 'birds 鳥' 2600 7000 \
    18.0 19.7 'sweep' 150 9800 \
    26.75 28.5 'bell 鐘' 180 3400 \
    31.0 32.15 'whistle 口笛' 1250 1750 \
    31.95 32.75 'bird 鳥' 1900 6200 \
    45.9 47.2 'birds 鳥' 2600 7000 > "$work/labels.txt"
"$program" import "$work/labels.txt" --out "$work/brook.mcap"
sed -E 's/width: 1280/width: 1440/; s/height: 720/height: 960/' "$here/../config/default.ron" > "$work/config.ron"
"$program" replay "$work/brook.mcap" --config "$work/config.ron" --source demo --at 29.2 --span 10 --paused --mute --headless --port 0 \
    --screenshot "$work/replay.png" --after 14 --exit-after 17
ffmpeg -loglevel error -y -i "$work/replay.png" -vf 'split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=none' \
    "$here/replay.png"
