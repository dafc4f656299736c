"""Compares features that benches/features.rs wrote with librosa's, and their speed; called by it."""

import json
import pathlib
import statistics
import sys
import time

import librosa
import numpy as np

folder, parameters = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
one_thread, all_cores = map(float, sys.argv[3:])
sound = np.fromfile(folder / "sound.f32", dtype="<f4")
ours = np.fromfile(folder / "features.f32", dtype="<f4").reshape(-1, parameters["bands"])
window, fft = parameters["window_samples"], parameters["fft_size"]
energy = float(np.sum(np.hanning(window + 1)[:-1] ** 2))
lead = (fft - window) // 2  # librosa puts the window into the middle of the FFT


def features():
    padded = np.concatenate([np.zeros(lead, "f4"), sound, np.zeros(fft, "f4")])
    mel = librosa.feature.melspectrogram(
        y=padded, sr=parameters["sample_rate_hz"], n_fft=fft, win_length=window, hop_length=parameters["hop_samples"],
        window="hann", center=False, power=2.0, n_mels=parameters["bands"], fmin=parameters["low_hz"],
        fmax=parameters["high_hz"], htk=True, norm=None)
    return (np.log(mel * 2.0 / (fft * energy) + 1e-9) - parameters["log_mean"]) / parameters["log_deviation"]


features()
secs = []
for _ in range(5):
    begun = time.perf_counter()
    theirs = features()
    secs.append(time.perf_counter() - begun)
theirs = theirs.T[: len(ours)]
median = statistics.median(secs)
print(f"librosa {librosa.__version__}: {median:.3f} s ({min(secs):.3f} to {max(secs):.3f}), {median / one_thread:.1f} times ours"
      f" of one thread, {median / all_cores:.1f} times ours of all cores")
print(f"largest difference of {ours.size} values: {np.abs(ours - theirs).max():.2e}")
