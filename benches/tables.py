#!/usr/bin/env python3
"""Trains and evaluates as the tables of benches/README.md say, and prints those tables.

    python3 benches/tables.py digits      # three seeds on the official split of the spoken digits
    python3 benches/tables.py quick       # the same with the quick recipe
    python3 benches/tables.py speakers    # each speaker left out once; --only NAME for one of them, --more DATASET for other speakers beside him
    python3 benches/tables.py wake        # wake words, and false alarms on other speech
    python3 benches/tables.py shipped     # the model in assets/models, without training

SESERAGI_DATA names the recordings; --program the program (target/release/seseragi), --threads how many threads train.
Models and checkpoints go to a temporary folder. Only Python's standard library is needed, and espeak-ng and flite for the
synthesised text of `wake`.
"""
import argparse, json, os, pathlib, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("SESERAGI_DATA", "data"))
FULL, QUICK, SPEAKERS, WAKE = 200, 55, 50, 140  # epochs
STREAM_SEEDS = (7, 8, 9)  # order, gaps and noise of the streams
TEXT = ("good morning everyone", "could you open the window please", "the river is high this year", "let me think about it",
        "turn left after the bridge", "coffee with milk and no sugar", "she read the letter twice", "music from the next room",
        "we will be late for the train", "bring me the blue notebook", "a quarter of the village came", "thank you very much",
        "the visitors gathered around the screen", "where can I buy a ticket", "it sounds like a small waterfall", "my uncle repairs old radios",
        "the lesson starts at half past ten", "please do not touch the exhibits", "an electric car stood outside", "is there a cloakroom here",
        "children under twelve enter free", "the next bus comes in twenty minutes", "I like the quiet parts best", "that was a pleasant surprise")


def program(*arguments):
    done = subprocess.run([args.program, *map(str, arguments)], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def train(name, *sets, epochs, seed, background=()):
    begun = time.time()
    heard = [word for folder in background for word in ("--background", folder)]
    program("train", *sets, *heard, "--out", name, "--epochs", epochs, "--seed", seed, "--threads", args.threads, "--json")
    return time.time() - begun


def evaluate(name, folder, *more, threads=2):
    return json.loads(program("evaluate", folder, "--model", name, "--json", "--threads", threads, *more))


def percent(values):
    """Mean, and lowest to highest, of shares."""
    values = [100 * value for value in values]
    spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f} %{spread}"


def digits_table(names):
    folder = DATA / "spoken-digits"
    of = lambda *more: [evaluate(name, folder, *more) for name in names]
    wordless = [of("--stream", "--wordless", 10, "--seed", seed) for seed in STREAM_SEEDS]
    clean = wordless[0]
    for label, figure in (("the likeliest word is right", "choice_accuracy"), ("read exactly", "accuracy")):
        print(f"| isolated clips of the official test split ({clean[0]['items']}), {label} | {percent([e[figure] for e in clean])} |")
    for label, more in (("clean", ()), ("20 dB", ("--snr", 20)), ("10 dB", ("--snr", 10)),
                        ("10 dB below the mean, recordings at their own levels", ("--snr", 10, "--own-levels"))):
        runs = [statistics.mean(evaluate(name, folder, "--stream", "--wordless", 0, "--seed", seed, *more)["token_error_rate"]
                                for seed in STREAM_SEEDS) for name in names]
        print(f"| streams, token errors, {label}; {len(STREAM_SEEDS)} orders of 7 scenes | {percent(runs)} |")
    for at, rate in enumerate(clean[0]["alarms"]):
        rates = [statistics.mean(run[model]["alarms"][at]["per_hour"] for run in wordless) for model in range(len(names))]
        print(f"| false alarms an hour, {rate['sound']}, {len(STREAM_SEEDS)} × {rate['secs'] / 60:.0f} min | {statistics.mean(rates):.1f}"
              f" ({min(rates):.0f} to {max(rates):.0f}) |")
    p95 = [1e3 * e["latency"]["p95_secs"] for e in clean]
    print(f"| words shown after their clip's end, p95 | {max(p95):.0f} ms at most |")


def digits(epochs):
    seeds = args.seed or [1, 2, 3]
    seconds = [train(f"digits-{seed}", DATA / "spoken-digits", epochs=epochs, seed=seed) for seed in seeds]
    print(f"\n| Spoken digits, {epochs} epochs, seeds {seeds} | mean (least to most) |\n|---|---|")
    print(f"| training, {args.threads} thread(s) | {statistics.mean(seconds):.0f} s ({min(seconds):.0f} to {max(seconds):.0f}) |")
    digits_table([f"digits-{seed}" for seed in seeds])


def speakers(work):
    clips = sorted((DATA / "spoken-digits").glob("*/*.wav"))
    names = args.only or sorted({clip.stem.split("_")[0] for clip in clips})
    print("\n| Speaker never heard | likeliest word | read exactly |\n|---|---|---|")
    shares = []
    for speaker in names:
        folder = work / f"without-{speaker}"
        testing, validation = [], []
        for clip in clips:
            who, index = clip.stem.split("_")
            # The official test clips of those who are heard are left out of everything.
            if who != speaker and int(index) < 5:
                continue
            (folder / clip.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / clip.parent.name / clip.name).symlink_to(clip)
            if who == speaker:
                testing.append(f"{clip.parent.name}/{clip.name}")
            elif int(index) % 10 == 7:
                validation.append(f"{clip.parent.name}/{clip.name}")
        (folder / "testing_list.txt").write_text("\n".join(testing))
        (folder / "validation_list.txt").write_text("\n".join(validation))
        # Wake words, said by many into microphones of their own, are words like others: what is learnt of them helps the digits.
        train(f"without-{speaker}", folder, *args.more or ["demo", "people"], DATA / "wake-words", "--sample-rate", 8000,
              epochs=args.epochs or SPEAKERS, seed=1)
        found = evaluate(f"without-{speaker}", folder)
        shares.append((found["choice_accuracy"], found["accuracy"]))
        print(f"| {speaker} | " + " | ".join(f"{100 * share:.1f} %" for share in shares[-1]) + f" of {found['items']} |", flush=True)
    for what, of in (("mean", statistics.mean), ("worst", min)):
        print(f"| {what} | " + " | ".join(f"{100 * of(column):.1f} %" for column in zip(*shares)) + " |")


def speak(folder):
    """Each sentence in seventy-two voices and paces: an hour, so that an alarm an hour can be heard."""
    folder.mkdir()
    for at, text in enumerate(TEXT * 72):
        file, turn = folder / f"{at:04}.wav", at // len(TEXT)
        pace = 1 + turn % 7 / 10
        if (at + turn) % 2:
            voice = f"en-{('us', 'gb', 'gb-scotland', '029')[turn // 2 % 4]}+{('f2', 'm3', 'f4', 'm7')[turn // 8 % 4]}"
            command = ["espeak-ng", "-v", voice, "-s", str(round(110 * pace)), "-w", file, text]
        else:
            sound = ["--setf", f"duration_stretch={1.5 / pace:.2f}", "--setf", f"int_f0_target_mean={90 + turn % 9 * 12}"]
            command = ["flite", "-voice", ("slt", "rms", "awb", "kal16")[turn // 2 % 4], *sound, "-t", text, file]
        subprocess.run(command, check=True)


def wake(work):
    words, digits = DATA / "wake-words", DATA / "spoken-digits"
    speak(work / "text")
    for seed in args.seed or [1, 2, 3]:
        wake_seed(words, digits, work, seed)


def wake_seed(words, digits, work, seed):
    seconds = train("wake", words, epochs=args.epochs or WAKE, seed=seed, background=[digits])
    print(f"\n| Wake words, seed {seed} ({seconds:.0f} s of training, {args.threads} thread(s)) | right clips | found | 10 dB: found |\n|---|---|---|---|")
    clean, noisy = evaluate("wake", words), evaluate("wake", words, "--snr", 10)
    for quiet, loud in zip(clean["words"], noisy["words"]):
        print(f"| {quiet['word']} ({quiet['said']} clips) | | {100 * quiet['recall']:.1f} % | {100 * loud['recall']:.1f} % |")
    print(f"| all | {100 * clean['accuracy']:.1f} % | | {100 * noisy['accuracy']:.1f} % right |")
    print("\n| Other speech | hours | false alarms an hour |\n|---|---|---|")
    for label, folder, more in (("digits, official test split", digits, ["--held-out"]), ("synthesised text", work / "text", [])):
        heard = evaluate("wake", words, "--background", folder, *more)["background"]
        print(f"| {label} | {heard['secs'] / 3600:.2f} | {heard['false_alarms_per_hour']:.1f} |")
    others = sum(count for row, label in zip(clean["confusion"]["counts"], clean["confusion"]["labels"])
                 for count, read in zip(row, clean["confusion"]["labels"]) if read != label)
    print(f"\nA word taken for another one: {others} of {clean['items']} clips.")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("table", choices=["digits", "quick", "speakers", "wake", "shipped"])
parser.add_argument("--program", default=ROOT / "target/release/seseragi")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--more", action="append", help="what `speakers` learns from beside four speakers, instead of demo and"
                    " people: those that ship, or what assets/datasets/make.sh --out DIR --per-word 160 and assets/datasets/accents.sh DIR make")
parser.add_argument("--only", action="append", help="a speaker of `speakers`")
parser.add_argument("--seed", type=int, action="append", help="of `digits`, `quick` and `wake`, instead of 1, 2 and 3")
parser.add_argument("--epochs", type=int, help="instead of the table's own")
args = parser.parse_args()
with tempfile.TemporaryDirectory() as work:
    environment = {**os.environ, "SESERAGI_HOME": work}
    if args.table in ("digits", "quick"):
        digits(args.epochs or (FULL if args.table == "digits" else QUICK))
    elif args.table == "shipped":
        print("\n| The shipped model | |\n|---|---|")
        digits_table(["digits"])
    else:
        {"speakers": speakers, "wake": wake}[args.table](pathlib.Path(work))
