#!/usr/bin/env bash
# Makes folders of spoken digits: one folder a word, one FLAC (8 kHz, 16 bit, mono, trimmed) a speaker.
# Needs Debian's flite, espeak-ng and sox. The same versions of them give the same bytes.
#
#   bash assets/datasets/make.sh                                  the demo dataset beside this file, and tests/data/words
#   bash assets/datasets/make.sh --out DIR --per-word 200         a larger set anywhere: extra speakers for the training
#                                                                 of the shipped model (`seseragi train DIR`)
#
# A speaker is a voice with a pitch, a pace and a size of the vocal tract of its own, drawn from the speaker's number, so
# a larger set begins with the same speakers. validation_list.txt and testing_list.txt (the convention of Speech Commands)
# keep two and four of twenty speakers, with all their words, for validation and test: voices that training never hears.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
all_words="zero one two three four five six seven eight nine"
out="" per_word=40
usage() { sed -n '2,/^set /{/^#/p}' "$0"; }
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=${2:?--out needs a folder}; shift 2 ;;
        --per-word) per_word=${2:?--per-word needs a number}; shift 2 ;;
        -h | --help) usage; exit 0 ;;
        *) echo "make.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
    esac
done
for tool in flite espeak-ng sox; do
    command -v "$tool" >/dev/null || { echo "make.sh: needs $tool (apt install flite espeak-ng sox)" >&2; exit 1; }
done
[[ $per_word =~ ^[1-9][0-9]*$ ]] || { echo "make.sh: --per-word takes a number from 1, not $per_word" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flite_voices=(slt rms awb kal16)
accents=(en-us en-gb en-gb-x-rp en-gb-scotland en-us-nyc en-gb-x-gbclan en-gb-x-gbcwmd en-029)
variants=(f2 m3 f4 m7 Annie Alex f5 m1 belinda Andy f3 m6 anika Denis linda m2 Alicia Diogo steph m8 f1 m4 aunty Lee croak m5)

# Starts the draws of a speaker or a sound: each depends on its number alone.
seed() { # NUMBER
    state=$((($1 * 2654435761 + 20261123) & 0x7fffffff))
    state=$(((state ^ (state >> 13)) * 1540483477 & 0x7fffffff))
}

# Sets `number` to the next draw from LOW to HIGH.
draw() { # LOW HIGH
    state=$(((state * 1103515245 + 12345) & 0x7fffffff))
    number=$(($1 + (state >> 16) % ($2 - $1 + 1)))
}
hundredths() { printf '%d.%02d' $(($1 / 100)) $(($1 % 100)); }

# Every second speaker is one of flite's voices, which are cut from human speech; the others are espeak-ng's formants.
# The size is never 1.00: no clip is said as in the demo loop.
set_speaker() { # NUMBER
    seed "$1"
    local half=$(($1 / 2))
    if (($1 % 2 == 0)); then
        voice=${flite_voices[half % 4]}
        speaker=$(printf 'flite-%s-%03d' "$voice" "$1")
        draw 84 126; pace=$(hundredths "$number")
        case $voice in slt) draw 150 215 ;; *) draw 82 142 ;; esac
        pitch=$number
    else
        voice=${accents[half % 8]}+${variants[half % 26]}
        speaker=$(printf 'espeak-%s-%03d' "${voice/+/-}" "$1")
        draw 105 165; pace=$number
        draw 30 65; pitch=$number
    fi
    draw 0 11
    size=$(hundredths $((number < 6 ? 85 + 2 * number : 92 + 2 * number)))
}

say() { # WORD FILE
    local raw=$work/raw.wav
    case $speaker in
        flite-*) flite -voice "$voice" --setf duration_stretch="$pace" --setf int_f0_target_mean="$pitch" -t "$1" "$raw" ;;
        *) espeak-ng -v "$voice" -s "$pace" -p "$pitch" -w "$raw" "$1" ;;
    esac
    # Trimmed at the full rate: below 4 kHz little is left of an s.
    sox -V1 -R -D "$raw" -b 16 -c 1 -C 8 "$2" gain -n -8 silence 1 0.005 0.25% reverse silence 1 0.005 0.25% reverse \
        speed "$size" rate -v 8000 highpass 60 gain -n -3 fade t 0.004 reverse fade t 0.008 reverse
}

make_set() { # FOLDER EXTENSION WORDS SPEAKER-NUMBERS
    local folder=$1 extension=$2 words=$3 word person
    for word in $words; do
        rm -rf "${folder:?}/$word"
        mkdir -p "$folder/$word"
    done
    : >"$folder/validation_list.txt"
    : >"$folder/testing_list.txt"
    for person in $4; do
        set_speaker "$person"
        for word in $words; do
            say "$word" "$folder/$word/$speaker.$extension"
            case $((person % 20)) in
                3 | 16) echo "$word/$speaker.$extension" >>"$folder/validation_list.txt" ;;
                5 | 8 | 11 | 14) echo "$word/$speaker.$extension" >>"$folder/testing_list.txt" ;;
            esac
        done
    done
}

# Sounds that are no words, four kinds in turn: water, a bird's chirps, a bell, a sweep.
make_background() { # FOLDER EXTENSION COUNT SECONDS
    local folder=$1/_background_noise_ extension=$2 index kind
    rm -rf "$folder"
    mkdir -p "$folder"
    for ((index = 0; index < $3; index++)); do
        seed $((index + 100000))
        draw 300 1400
        local hz=$number effects=()
        case $((index % 4)) in
            0) kind=water; effects=(synth 4 pinknoise bandpass "$hz" 1.5o tremolo 1.3 60) ;;
            1) kind=chirps; draw 1600 3600; effects=(synth 0.09 sine "$((hz + 900)):$number" fade h 0.02 0.09 0.03 pad 0 0.11 repeat 19) ;;
            2) kind=bell; effects=(synth 4 sine "$hz" sine "$((hz * 119 / 100))" sine "$((hz * 2))" sine "$((hz * 5 / 2))" remix - fade l 0.003 4 3.9) ;;
            3) kind=sweep; draw 1800 3800; effects=(synth 4 sine "$((hz / 2))/$number" fade h 1 4 1.5) ;;
        esac
        sox -V1 -R -D -n -r 8000 -b 16 -c 1 -C 8 "$folder/$kind-$(printf '%03d' "$index").$extension" "${effects[@]}" trim 0 "$4" gain -n -12
    done
}

if [ -n "$out" ]; then
    make_set "$out" flac "$all_words" "$(seq -s ' ' 0 $((per_word - 1)))"
    make_background "$out" flac 40 4
    exit 0
fi
make_set "$here/demo" flac "$all_words" "$(seq -s ' ' 0 $((per_word - 1)))"
make_background "$here/demo" flac 8 4
# Tests: three words, speakers of all three splits, and water as background sound.
tests=$here/../../tests/data/words
make_set "$tests" wav "one two three" "1 2 3 8"
make_background "$tests" wav 1 2
