"""Reads what `seseragi export` wrote, as others do, and prints what it found as one JSON object.

Usage: read_exports.py FOLDER STEM   (soundfile, numpy and praatio must be installed)
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy
import soundfile
from praatio import textgrid

folder, stem = Path(sys.argv[1]), sys.argv[2]


def path(ending):
    return folder / f"{stem}{ending}"


def sound(ending):
    samples, rate = soundfile.read(path(ending), dtype="int16")
    return {"samples": len(samples), "rate": rate, "sum": int(samples.astype(numpy.int64).sum()),
            "squares": int((samples.astype(numpy.int64) ** 2).sum())}


def rows(ending, delimiter):
    with open(path(ending), newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL))


grid = textgrid.openTextgrid(str(path(".TextGrid")), includeEmptyIntervals=False)
spectrogram = numpy.load(path("-spectrogram.npy"))
times, frequencies = numpy.load(path("-times.npy")), numpy.load(path("-frequencies.npy"))
loudest = spectrogram.max(axis=0).argmax()
vtt = subprocess.run(["ffprobe", "-v", "error", "-show_packets", "-of", "json", str(path(".vtt"))], capture_output=True, text=True)

print(json.dumps({
    "wav": sound(".wav"),
    "flac": sound(".flac"),
    "flac_info": str(soundfile.info(path(".flac")).subtype),
    "npy": {"shape": spectrogram.shape, "dtype": str(spectrogram.dtype), "times": times.shape, "frequencies": frequencies.shape,
            "first_time": float(times[0]), "loudest_hz": float(frequencies[loudest])},
    "textgrid": {name: [[entry.start, entry.end, entry.label] for entry in grid.getTier(name).entries] for name in grid.tierNames},
    "textgrid_end": grid.maxTimestamp,
    "audacity": rows(".txt", "\t"),
    "raven": [dict(zip(rows(".selections.txt", "\t")[0], row)) for row in rows(".selections.txt", "\t")[1:]],
    "csv": rows(".csv", ","),
    "gaps": rows("-gaps.csv", ","),
    "jsonl": [json.loads(line) for line in open(path(".jsonl"), encoding="utf-8")],
    "vtt": [[float(packet["pts_time"]), float(packet["duration_time"])] for packet in json.loads(vtt.stdout)["packets"]] if vtt.returncode == 0 else None,
}))
