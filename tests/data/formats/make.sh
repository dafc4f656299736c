#!/bin/sh
# Makes the small files that the decoder's tests read: a quarter second, left 440 Hz, right 660 Hz, each at half of full
# scale, 44.1 kHz. Needs ffmpeg and sox; the results are committed, so nobody has to run this.
set -eu
cd "$(dirname "$0")"
ff() { ffmpeg -hide_banner -loglevel error -y "$@"; }
sox -n -r 44100 -c 2 -b 16 tone.wav synth 0.25 sine 440 sine 660 gain -6.0206
ff -i tone.wav tone.flac
ff -i tone.wav -c:a libmp3lame -b:a 64k tone.mp3
ff -i tone.wav -c:a libvorbis -q:a 2 -page_duration 20000 tone.ogg
ff -i tone.wav -c:a aac -b:a 64k tone-aac.m4a
ff -i tone.wav -c:a alac tone-alac.m4a
ff -i tone.wav -ar 48000 -c:a libopus unknown-codec.ogg
ff -f lavfi -i "color=size=16x16:rate=1:duration=1" -an -c:v mpeg4 no-sound.mp4
rm tone.wav
