#!/usr/bin/env bash
# assets/pictures/make.sh: makes page.png and phones.png, with three real browsers that stream to a real program. Takes a minute.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(bash .ci/python)
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

# What the three say: the words that came with the program, 48 kHz, in three orders.
words=(seven four one zero nine two five eight three six)
for phone in 0 1 2; do
    list=()
    for i in 0 1 2 3 4 5 6 7 8 9; do
        clips=(assets/datasets/demo/"${words[(i * 3 + phone * 4) % 10]}"/*.flac)
        list+=(-i "${clips[phone * 3 + 1]}")
    done
    graph=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '[%d]aresample=48000,apad=pad_dur=0.%d[a%d];' "$i" $((4 + (i + phone) % 4)) "$i"; done)
    ffmpeg -loglevel error -y "${list[@]}" -filter_complex "${graph}[a0][a1][a2][a3][a4][a5][a6][a7][a8][a9]concat=n=10:v=0:a=1" \
        -ac 1 -ar 48000 -c:a pcm_s16le "$work/$phone.wav"
done

port=18750
target/release/seseragi run --headless --port $port --train demo --screenshot "$work/phones.png" --after 32 --exit-after 44 >/dev/null &
program=$!
until curl -fs "http://127.0.0.1:$port/api/status" >/dev/null; do sleep 0.2; done
curl -fs -X DELETE "http://127.0.0.1:$port/api/streams/main" >/dev/null
mkfifo "$work/stay"
"$python" tests/tools/phones.py "http://127.0.0.1:$port/" --secs 12 --picture "$work/page.png" \
    "Aki=$work/0.wav" "ひなた=$work/1.wav" "Luca=$work/2.wav" <"$work/stay" &
exec 9>"$work/stay"
wait "$program"
exec 9>&-
for picture in page phones; do # few colours suffice, and a repository stays small
    ffmpeg -loglevel error -y -i "$work/$picture.png" -vf 'split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=none' "assets/pictures/$picture.png"
done
