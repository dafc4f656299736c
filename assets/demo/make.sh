#!/usr/bin/env bash
# Makes the demo loop: demo.flac and, with the time of each word, demo.ron. The same tools give the same bytes.
# Needs Debian's flite, espeak-ng, sox and python3:  bash assets/demo/make.sh
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
for tool in flite espeak-ng sox python3; do
    command -v "$tool" >/dev/null || { echo "make.sh: needs $tool (apt install flite espeak-ng sox python3)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One row a group of words: name, synthesiser, voice, its settings, words.
# The settings of espeak-ng are words a minute and pitch; those of flite stretch and mean pitch in Hz.
cat >"$work/groups.tsv" <<'TABLE'
01 flite slt 1.05 178 zero three one
02 flite rms 1.00 98 four seven two six
03 flite awb 1.10 122 nine five eight zero
04 flite awb 1.06 112 one nine six
05 flite kal16 1.08 108 five two eight three
06 flite slt 1.05 172 seven four one zero
07 flite rms 1.12 90 eight six four
08 espeak-ng en-us+f2 125 40 two three nine five
09 flite awb 1.00 134 seven one six four
10 flite slt 1.05 168 nine zero two
11 espeak-ng en-gb-scotland+m3 136 46 three eight five one
12 flite rms 1.06 106 six seven nine two
13 flite kal16 1.00 116 zero four eight
TABLE

while read -r group tool voice first second words; do
    index=0
    for word in $words; do
        raw=$work/raw.wav
        case $tool in
            flite) flite -voice "$voice" --setf duration_stretch="$first" --setf int_f0_target_mean="$second" -t "$word" "$raw" ;;
            espeak-ng) espeak-ng -v "$voice" -s "$first" -p "$second" -w "$raw" "$word" ;;
        esac
        # Below 70 Hz and above 7.4 kHz a voice has little to say, and silence there keeps the file small.
        sox -V1 -R -D "$raw" -r 48000 -b 16 -c 1 "$work/$group-$index.wav" gain -6 rate -v 48000 sinc 70-7400 gain -n -1
        echo "$group $index $word $tool $voice" >>"$work/words.tsv"
        index=$((index + 1))
    done
done <"$work/groups.tsv"

sox -V1 -R -D -n -r 48000 -b 16 "$work/noise.wav" synth 90 pinknoise sinc 200-4500 gain -n -1
python3 "$here/mix.py" "$work" "$work/demo.wav" "$here/demo.ron"
sox -V1 -R -D "$work/demo.wav" -C 8 "$here/demo.flac"
