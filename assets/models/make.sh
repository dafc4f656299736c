#!/usr/bin/env bash
# Trains the model in `digits/` anew, about 70 minutes on one core: first among 623 other words, so that it can tell words from each
# other and be taught more of them, then alone with 143 of these as fillers, which it knows and never shows. Needs the program, the
# Free Spoken Digit Dataset, a folder a word, and Debian's flite, espeak-ng and sox.
# Datasets, checkpoints and the model `digits` are left in DIR, a home folder of the program's (`SESERAGI_HOME=DIR seseragi ...`). Its
# card says only which folders it learnt from: what they are and under which licence is written into the one that ships by hand.
#
#   bash assets/models/make.sh SPOKEN_DIGITS DIR [PROGRAM]      target/release/seseragi when no program is named
set -euo pipefail
recordings=${1:?usage: make.sh SPOKEN_DIGITS DIR [PROGRAM]} home=${2:?usage: make.sh SPOKEN_DIGITS DIR [PROGRAM]}
assets=$(cd "$(dirname "$0")/.." && pwd)
program=${3:-$assets/../target/release/seseragi}
mkdir -p "$home/datasets/spoken" "$home/datasets/few-words"
home=$(cd "$home" && pwd)
sets=$home/datasets
# Twice: each set is heard as often as each other one, and half of what is heard shall be these recordings.
ln -sfn "$(cd "$recordings" && pwd)" "$sets/spoken-digits"
ln -sfn "$sets/spoken-digits" "$sets/spoken-digits-again"
# Only its folders: what lies beside them is no single word.
for folder in "$assets"/datasets/_other_speech/*/; do ln -sfn "${folder%/}" "$sets/spoken/"; done
[ -e "$sets/synth" ] || bash "$assets/datasets/make.sh" --out "$sets/synth" --per-word 160
[ -e "$sets/words" ] || bash "$assets/datasets/words.sh" "$sets/words"
# Every fifth of the words: more of them than the network has room for make it read its own less well.
at=0
for folder in "$sets"/words/*/; do
    ((at++ % 5)) || ln -sfn "${folder%/}" "$sets/few-words/"
done
export SESERAGI_HOME=$home
"$program" train spoken-digits people synth words spoken --sample-rate 8000 --no-other-speech --epochs 75 --seed 1 --out broad
"$program" train spoken-digits spoken-digits-again people synth --fillers few-words --fillers spoken --from broad \
    --learning-rate 0.001 --epochs 140 --seed 1 --out digits
