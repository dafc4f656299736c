"""Lays the words of the demo loop on a time line, puts sounds of a brook between them and writes down where each word is.

Called by make.sh: mix.py WORK OUT.wav OUT.ron. WORK holds words.tsv, GROUP-INDEX.wav and noise.wav (48 kHz, 16 bit, mono).
The loop is circular: what rings at its end goes on at its start.
"""
import array
import math
import random
import sys
import wave

RATE_HZ = 48_000
SPEECH_DBFS = -21.0  # root mean square of each word
rng = random.Random(20_261_123)


def read(path):
    with wave.open(path) as f:
        assert f.getparams()[:3] == (1, 2, RATE_HZ), path
        samples = array.array("h", f.readframes(f.getnframes()))
    return array.array("d", (s / 32768 for s in samples))


def db(value):
    return 10 ** (value / 20)


def trimmed(samples):
    """The word without the silence around it: blocks of 5 ms over -38 dB of the loudest, a block of margin, at speech level."""
    block = RATE_HZ // 200
    power = [sum(s * s for s in samples[i : i + block]) for i in range(0, len(samples), block)]
    loud = [i for i, p in enumerate(power) if p > max(power) * db(-38) ** 2]
    word = samples[max(loud[0] - 1, 0) * block : (loud[-1] + 2) * block]
    rms = math.sqrt(sum(s * s for s in word) / len(word))
    gain = min(db(SPEECH_DBFS) / rms, 0.7 / max(map(abs, word)))
    fade = block
    return [gain * s * min(1, (i + 1) / fade, (len(word) - i) / fade) for i, s in enumerate(word)]


def tone(out, at_secs, secs, hz_at, level_at):
    """Adds a tone whose frequency and level are functions of the time since its start."""
    phase, start = 0.0, round(at_secs * RATE_HZ)
    for i in range(round(secs * RATE_HZ)):
        t = i / RATE_HZ
        phase += 2 * math.pi * hz_at(t) / RATE_HZ
        out[(start + i) % len(out)] += level_at(t) * math.sin(phase)


def bubble(out, at_secs, hz, level):
    """A bubble in water rings at the pitch of its size, rising a little while it dies away."""
    decay = 40 / hz
    tone(out, at_secs, min(5 * decay, 0.25), lambda t: hz * (1 + 2.5 * t), lambda t: level * min(1, t * 800) * math.exp(-t / decay))


def brook(out, noise, swells):
    """Murmuring water under everything: quiet noise and bubbles, fuller where no word is said."""
    secs = len(out) / RATE_HZ

    def fullness(t):
        return max((1 - abs(t - c) / h for c, h in swells if abs(t - c) < h), default=0.0) ** 0.5

    fade, control = RATE_HZ, 480
    for i in range(len(out)):
        if i % control == 0:
            t = i / RATE_HZ
            slow = math.sin(2 * math.pi * 9 * t / secs) * math.sin(2 * math.pi * 23 * t / secs)
            level = db(-56 + 4 * slow + 12 * fullness(t))
        cross = max(0.0, 1 - i / fade)  # the first second is blended with what follows the last sample
        value = math.sqrt(1 - cross) * noise[i] + math.sqrt(cross) * noise[i + len(out)] if cross else noise[i]
        out[i] += level * 4 * value
    t = 0.0
    while t < secs:
        full = fullness(t)
        bubble(out, t, 450 * 9 ** (rng.random() ** 1.3), db(-50 + 19 * full) * rng.random() ** 1.5)
        t += -math.log(1 - rng.random()) / (9 + 34 * full)


def bell(out, at_secs, hz, level):
    """A temple bell: partials that are not quite harmonic, the higher the shorter."""
    for ratio, share in ((0.5, 0.5), (1, 1), (1.19, 0.6), (1.56, 0.4), (2, 0.7), (2.51, 0.35), (3.01, 0.3), (4.17, 0.25), (5.43, 0.2), (6.8, 0.12)):
        decay = 0.55 / ratio**0.6
        tone(out, at_secs, 1.6, lambda t: hz * ratio, lambda t: level * share * min(1, t * 400) * math.exp(-t / decay) * min(1, (1.6 - t) * 10))


def warbler(out, at_secs, level):
    """A bush warbler: one long whistle that swells, then its quick phrase."""
    tone(out, at_secs, 0.95, lambda t: 1_480 + 12 * math.sin(40 * t), lambda t: level * (t / 0.95) ** 1.5 * min(1, (0.95 - t) * 60))
    phrase = ((0.99, 0.11, 1_900, 4_300), (1.11, 0.09, 4_400, 2_600), (1.21, 0.10, 2_300, 5_200), (1.33, 0.20, 4_600, 2_100))
    for start, secs, low, high in phrase:
        tone(out, at_secs + start, secs, lambda t: low * (high / low) ** (t / secs), lambda t: level * math.sin(math.pi * t / secs) ** 0.7)


def chirps(out, at_secs, level):
    """A small bird: a series of ever faster chirps."""
    at, gap = at_secs, 0.19
    for i in range(9):
        top = 6_900 - 190 * i
        tone(out, at, 0.07, lambda t: top - 2_600 * math.sin(math.pi * t / 0.07), lambda t: level * math.sin(math.pi * t / 0.07) ** 2)
        at, gap = at + gap, gap * 0.93


def sweep(out, at_secs, level):
    """A rising sweep with two overtones."""
    for overtone in (1, 2, 3):
        tone(out, at_secs, 1.6, lambda t: overtone * 180 * 24 ** (t / 1.6), lambda t: level / overtone**1.5 * math.sin(math.pi * t / 1.6))


def harmonics(out, at_secs, level):
    """A singing bowl: harmonics that come in one after the other and breathe."""
    for n in range(1, 13):
        start = 0.07 * n
        tone(out, at_secs + start, 1.75 - start, lambda t: 262 * n, lambda t: level / n**0.7 * min(1, t * 12) * min(1, (1.75 - start - t) * 6) * (0.75 + 0.25 * math.sin(2 * math.pi * (2 + n / 3) * t)))


def main(work, out_wav, out_ron):
    interludes = [
        lambda out, at: warbler(out, at, 0.10),
        lambda out, at: None,
        lambda out, at: (bell(out, at, 523, 0.06), bell(out, at + 0.35, 784, 0.04)),
        lambda out, at: chirps(out, at, 0.07),
        lambda out, at: sweep(out, at, 0.08),
        lambda out, at: None,
        lambda out, at: harmonics(out, at, 0.05),
    ]
    with open(f"{work}/words.tsv") as f:
        rows = [line.split() for line in f]
    words, swells, placed = [], [], []
    now, previous, group_count = 0.0, None, 0
    for group, index, word, tool, voice in rows:
        if group != previous:
            length = 1.0 if group_count % 7 in (1, 5) else 1.85
            swells.append((now + length / 2, length / 2))
            placed.append((group_count % 7, now + 0.15))
            now += length + 0.1
            group_count += 1
        else:
            now += 0.35 + 0.19 * rng.random()
        previous = group
        samples = trimmed(read(f"{work}/{group}-{index}.wav"))
        start = round(now * RATE_HZ)
        words.append((word, start, samples, f"{tool} {voice}"))
        now = (start + len(samples)) / RATE_HZ
    now += 0.2
    out = array.array("d", bytes(8 * round(now * RATE_HZ)))
    brook(out, read(f"{work}/noise.wav"), swells)
    for kind, at in placed:
        interludes[kind](out, at)
    for _, start, samples, _ in words:
        for i, s in enumerate(samples):
            out[start + i] += s
    assert max(map(abs, out)) < 0.99, "the mix clips"
    with wave.open(out_wav, "wb") as f:
        f.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        f.writeframes(array.array("h", (round(32768 * s) for s in out)).tobytes())
    with open(out_ron, "w") as f:
        f.write("// Where each word of demo.flac is, in seconds from the start of the loop. Written by make.sh.\n(\n")
        f.write(f"    sample_rate_hz: {RATE_HZ},\n    len_samples: {len(out)},\n    words: [\n")
        for word, start, samples, voice in words:
            end = start + len(samples)
            f.write(f'        (word: "{word}", start_secs: {start / RATE_HZ:.3f}, end_secs: {end / RATE_HZ:.3f}, voice: "{voice}"),\n')
        f.write("    ],\n)\n")


main(*sys.argv[1:])
