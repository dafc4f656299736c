#!/usr/bin/env bash
# Trains the model in `digits/` anew, about an hour on one core: first among 623 other words, so that it can be taught more words, then
# alone. Needs the program, the Free Spoken Digit Dataset, a folder a word, and Debian's flite, espeak-ng and sox.
# Datasets, checkpoints and the model `digits` are left in DIR, a home folder of the program's (`SESERAGI_HOME=DIR seseragi ...`).
#
#   bash assets/models/make.sh SPOKEN_DIGITS DIR [PROGRAM]      target/release/seseragi when no program is named
set -euo pipefail
recordings=${1:?usage: make.sh SPOKEN_DIGITS DIR [PROGRAM]} home=${2:?usage: make.sh SPOKEN_DIGITS DIR [PROGRAM]}
here=$(cd "$(dirname "$0")" && pwd)
program=${3:-$here/../../target/release/seseragi}
sets=$here/../datasets
mkdir -p "$home/datasets/spoken"
home=$(cd "$home" && pwd)
ln -sfn "$(cd "$recordings" && pwd)" "$home/datasets/spoken-digits"
# Only its folders: what lies beside them is no single word.
for folder in "$sets"/_other_speech/*/; do ln -sfn "${folder%/}" "$home/datasets/spoken/"; done
[ -e "$home/datasets/synth" ] || bash "$sets/make.sh" --out "$home/datasets/synth" --per-word 160
[ -e "$home/datasets/words" ] || bash "$sets/words.sh" "$home/datasets/words"
export SESERAGI_HOME=$home
"$program" train spoken-digits people synth words spoken --sample-rate 8000 --no-other-speech --epochs 75 --seed 1 --out broad
"$program" train spoken-digits people synth --from broad --learning-rate 0.001 --epochs 60 --seed 1 --out digits
