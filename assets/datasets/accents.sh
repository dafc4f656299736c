#!/usr/bin/env bash
# Makes the ten English digits as people say them who grew up with another language: nineteen languages, spelt as each would
# spell what it hears, in voices of their own. One folder a word, one FLAC (8 kHz, 16 bit, mono, trimmed) a speaker.
# Needs Debian's espeak-ng and sox.
#
#   bash assets/datasets/accents.sh DIR [VOICES]      voices a language, 6 when not said
set -euo pipefail
export LC_ALL=C.UTF-8
out=${1:?usage: accents.sh DIR [VOICES]} voices=${2:-6}
for tool in espeak-ng sox; do
    command -v "$tool" >/dev/null || { echo "accents.sh: needs $tool (apt install espeak-ng sox)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
words=(zero one two three four five six seven eight nine)
spelt=(
    "el:ζίρο γουάν του θρι φορ φάιβ σιξ σέβεν έιτ νάιν"
    "de:siro wann tu sri for faif sicks säwen äit nain"
    "fr:ziro ouane tou tri for faïve sixe sévène éïte naïne"
    "es:siro uan tu zri for faiv sics seven eit nain"
    "it:ziro uan tu tri for faiv sics seven eit nain"
    "pt:ziro uan tu tri for faive sics seven eite naine"
    "pl:ziro łan tu tri for fajf siks sewen ejt najn"
    "ru:зиро уан ту три фор файв сикс сэвэн эйт найн"
    "tr:ziro van tu tıri for fayv siks seven eyt nayn"
    "hi:ज़ीरो वन टू थ्री फ़ोर फ़ाइव सिक्स सेवन एट नाइन"
    "nl:ziro wan toe srie foor faif siks seven eet nain"
    "fi:siro uan tuu trii foor faiv siks seven eit nain"
    "sv:siro uan tu tri for fajv siks seven ejt najn"
    "id:ziro wan tu tri for faif siks seven eit nain"
    "hu:ziró van tú szrí for fájv szix szeven éjt nájn"
    "cs:zíro van tú trí fór fajv six seven ejt najn"
    "ro:ziro uan tu tri for faiv sics seven eit nain"
    "ja:ゼロ ワン ツー スリー フォー ファイブ シックス セブン エイト ナイン"
    "ko:제로 원 투 쓰리 포 파이브 식스 세븐 에이트 나인"
)
variants=(f2 m3 f4 m7 f5 m1 f3 m6 Annie m2 Alex m8 f1 m4 belinda Andy anika Denis linda Lee)
mkdir -p "${words[@]/#/$out/}"
: >"$out/validation_list.txt"
: >"$out/testing_list.txt"
n=0
for entry in "${spelt[@]}"; do
    language=${entry%%:*}
    read -ra said <<<"${entry#*:}"
    for ((voice = 0; voice < voices; voice++)); do
        variant=${variants[$((n % ${#variants[@]}))]}
        pace=$((105 + n * 17 % 55)) pitch=$((25 + n * 23 % 50)) size=0.$((86 + n * 7 % 14))
        speaker=$(printf '%s-%s-%03d' "$language" "$variant" "$n")
        for at in "${!words[@]}"; do
            espeak-ng -v "$language+$variant" -s "$pace" -p "$pitch" -w "$work/raw.wav" "${said[$at]}"
            sox -V1 -R -D "$work/raw.wav" -b 16 -c 1 -C 8 "$out/${words[$at]}/$speaker.flac" gain -n -8 silence 1 0.005 0.25% reverse \
                silence 1 0.005 0.25% reverse speed "$size" rate -v 8000 highpass 60 gain -n -3 fade t 0.004 reverse fade t 0.008 reverse
            if ((n % 20 == 7)); then echo "${words[$at]}/$speaker.flac" >>"$out/validation_list.txt"; fi
        done
        n=$((n + 1))
    done
done
