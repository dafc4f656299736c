"""Takes labels on a round trip through a reader and writer that others wrote: crowsetta (pip install crowsetta), which is too large
for every run of the tests.

    round_trip.py PROGRAM SESSION   exports the session's labels and tokens, has crowsetta read and write them, imports that again
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from crowsetta.formats.bbox.audbbox import AudBBox
from crowsetta.formats.bbox.raven import Raven
from crowsetta.formats.seq.textgrid import TextGrid

program, session = sys.argv[1:]
home = Path(tempfile.mkdtemp())


def run(*args):
    return subprocess.run([program, *map(str, args)], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def labels(path):
    return [(round(label["start_secs"], 6), round(label["end_secs"], 6), tuple(label.get("band_hz", ())), label["text"])
            for label in json.loads(path.read_text(encoding="utf-8"))["labels"]]


def again(name, text_file):
    """What a session has that gets nothing but the labels of this file."""
    copy = home / f"{name}.mcap"
    copy.write_bytes(Path(session).read_bytes())
    run("import", text_file, "--out", copy)
    return labels(home / f"{name}.labels.json")


audacity, raven, grid = (Path(path) for path in run("export", session, "--audacity", "--raven", "--textgrid", "--out", home)[:3])

ours = again("raven-ours", raven)
Raven.from_file(raven, annot_col="Annotation").to_file(home / "theirs.selections.txt")
theirs = again("raven-theirs", home / "theirs.selections.txt")
assert ours == theirs and ours, "Raven"
print(f"Raven: {len(ours)} selections there and back")

# A box takes two lines; crowsetta reads tracks of boxes only.
lines = audacity.read_text(encoding="utf-8").splitlines(keepends=True)
boxes = [place for place, line in enumerate(lines) if line.startswith("\\")]
(home / "boxes.txt").write_text("".join(lines[place - 1] + lines[place] for place in boxes), encoding="utf-8")
ours = again("audacity-ours", home / "boxes.txt")
AudBBox.from_file(home / "boxes.txt").to_file(home / "theirs.txt")
theirs = again("audacity-theirs", home / "theirs.txt")
assert ours == theirs and len(ours) == len(boxes), "Audacity"
print(f"Audacity: {len(ours)} boxes there and back")

tiers = TextGrid.from_file(grid).to_seq()
tiers = tiers if isinstance(tiers, list) else [tiers]
print("TextGrid:", ", ".join(str(len([segment for segment in tier.segments if segment.label])) for tier in tiers), "intervals read")
