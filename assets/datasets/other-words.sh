#!/usr/bin/env bash
# Makes speech without digits: common words and short phrases in many synthetic voices, 8 kHz mono FLAC. Put into a
# dataset as its folder `_other`, it teaches a model to stay silent while people talk about something else.
# Needs Debian's flite, espeak-ng and sox.
#
#   bash assets/datasets/other-words.sh DIR/_other
set -euo pipefail
export LC_ALL=C
out=${1:?usage: other-words.sh FOLDER}
for tool in flite espeak-ng sox; do
    command -v "$tool" >/dev/null || { echo "other-words.sh: needs $tool (apt install flite espeak-ng sox)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
phrases=(
    "hello" "good morning" "thank you" "yes" "no" "please" "stop" "start" "left" "right" "up" "down" "open the door"
    "close" "window" "water" "a little river" "music" "computer" "microphone" "listen" "again" "maybe" "tomorrow"
    "yesterday" "people" "because" "under the bridge" "quickly" "happy" "mountain" "paper" "table" "garden" "cat" "dog"
    "bird" "house" "car" "train" "street" "school" "teacher" "children" "question" "answer" "what is that" "who are you"
    "where" "how" "coffee" "bread" "butter" "sugar" "orange" "yellow" "green" "purple" "black" "white" "and" "the" "but"
    "with" "hundred" "thousand" "twelve" "number" "plus" "minus" "okay" "well" "hmm" "oh" "aha" "sorry" "look at this"
    "I do not know" "let me think" "it murmurs like a brook" "a stream that never stops"
)
flite_voices=(slt rms awb kal16)
accents=(en-us en-gb en-gb-x-rp en-gb-scotland en-us-nyc en-gb-x-gbclan en-gb-x-gbcwmd en-029)
variants=(f2 m3 f4 m7 f5 m1 f3 m6 m2 m8 f1 m4)
mkdir -p "$out"
for i in $(seq 0 $((4 * ${#phrases[@]} - 1))); do
    phrase=${phrases[$((i % ${#phrases[@]}))]}
    if ((i % 2 == 0)); then
        flite -voice "${flite_voices[$((i / 2 % 4))]}" --setf duration_stretch="0.$((80 + i * 7 % 20))" -t "$phrase" "$work/raw.wav"
    else
        voice=${accents[$((i / 2 % 8))]}+${variants[$((i / 3 % 12))]}
        espeak-ng -v "$voice" -s $((110 + i * 13 % 70)) -p $((30 + i * 11 % 40)) -w "$work/raw.wav" "$phrase"
    fi
    sox -V1 -R -D "$work/raw.wav" -b 16 -c 1 -C 8 "$out/$(printf '%03d' "$i").flac" \
        gain -8 rate -v 8000 highpass 60 gain -n -3 silence 1 0.005 0.25% reverse silence 1 0.005 0.25% reverse fade t 0.004
done
