#!/usr/bin/env bash
# Makes many English words in synthetic voices. A model that learns its own words among them first is taught new words better: what
# tells words apart is then known (see README.md here). One folder a word, one FLAC (8 kHz, 16 bit, mono, trimmed) a voice.
# The words are those of the rows in `_other_speech/`, of four to nine letters; none is a digit. Needs Debian's flite, espeak-ng and sox.
#
#   bash assets/datasets/words.sh DIR [WORDS [VOICES]]      600 words and 10 voices a word when not said
set -euo pipefail
export LC_ALL=C.UTF-8
out=${1:?usage: words.sh DIR [WORDS [VOICES]]} most=${2:-600} voices=${3:-10}
for tool in flite espeak-ng sox; do
    command -v "$tool" >/dev/null || { echo "words.sh: needs $tool (apt install flite espeak-ng sox)" >&2; exit 1; }
done
[ ! -e "$out" ] || { echo "words.sh: $out is there already: name a new folder" >&2; exit 1; }
rows=$(cd "$(dirname "$0")/_other_speech" && echo 1???-en-*.ogg)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flite_voices=(slt rms awb kal16)
accents=(en-us en-gb en-gb-x-rp en-gb-scotland en-us-nyc en-gb-x-gbclan en-gb-x-gbcwmd en-029)
variants=(f2 m3 f4 m7 f5 m1 f3 m6 klatt2 m2 m8 f1 klatt4 m4)

# say WORD NUMBER: all voices of a word. What varies follows from the word's number alone.
say() {
    local state=$2 number voice raw="$work/$2.wav"
    draw() { # LOW HIGH
        state=$(((state * 1103515245 + 12345) & 0x7fffffff))
        number=$(($1 + (state >> 8) % ($2 - $1 + 1)))
    }
    mkdir -p "$out/$1"
    for ((voice = 0; voice < voices; voice++)); do
        local turn=$((voice / 2 + $2))
        if ((voice % 2 == 0)); then
            draw 70 140; local stretch=$number
            draw 80 240
            flite -voice "${flite_voices[turn % 4]}" --setf duration_stretch="$((stretch / 100)).$(printf '%02d' $((stretch % 100)))" \
                --setf int_f0_target_mean="$number" -t "$1" "$raw"
        else
            draw 110 230; local pace=$number
            draw 20 80
            espeak-ng -v "${accents[turn % 8]}+${variants[turn % 14]}" -s "$pace" -p "$number" -w "$raw" "$1"
        fi
        draw 88 112
        sox -V1 -R -D "$raw" -b 16 -c 1 "$out/$1/$(printf '%02d' "$voice")-$1.flac" gain -n -8 silence 1 0.005 0.25% reverse \
            silence 1 0.005 0.25% reverse speed "$((number / 100)).$(printf '%02d' $((number % 100)))" rate -v 8000 highpass 60 \
            gain -n -3 fade t 0.004 reverse fade t 0.008 reverse
    done
    rm "$raw"
}

number=0
while read -r word; do
    ((number < most)) || break
    number=$((number + 1))
    say "$word" "$number" &
    # As many at once as there are cores.
    ((number % $(nproc))) || wait
done < <(grep -oE '[a-z]+' <<<"$rows" | grep -xE '[a-z]{4,9}' | awk '!seen[$0]++')
wait
made=$(find "$out" -name '*.flac' | wc -l)
((made == number * voices)) || { echo "words.sh: only $made of $((number * voices)) clips could be made" >&2; exit 1; }
