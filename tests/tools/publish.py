"""Publishes sound to a WHIP address as a page or another program would, and says what came of it.

    publish.py digits OUT.wav SECONDS          spoken digits with pauses, 48 kHz
    publish.py aiortc URL FILE.wav SECONDS     with aiortc
    publish.py chromium URL FILE.wav SECONDS   with Chromium and a fake microphone
    publish.py compare HEARD.raw FILE.wav      how like what was heard (s16, 48 kHz) is to a part of the file

Options: --loss SHARE (of media packets, in bursts of up to three), --cut AT,SECONDS (nothing passes), both by a relay of its own;
--stay (no goodbye: the process waits to be killed). The last line on the standard output is a JSON object.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import urllib.parse
import urllib.request
import wave
from pathlib import Path

import numpy as np

from relay import Relay

RATE = 48_000


def through_relay(sdp, args):
    """The answer with a relay's port in place of the server's, where one is asked for."""
    if args.loss == 0 and args.cut is None:
        return sdp, None
    relay, sdp = Relay.before(sdp, args.loss, args.cut)
    return sdp, relay


def post(url, offer):
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request) as reply:
        return reply.read().decode(), urllib.parse.urljoin(url, reply.headers["Location"])


def delete(url):
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).read()


def say(**what):
    print(json.dumps(what), flush=True)


async def with_aiortc(args):
    import aioice.ice
    from aiortc.codecs.opus import OpusEncoder
    from aiortc import RTCPeerConnection, RTCSessionDescription
    from aiortc.contrib.media import MediaPlayer

    # Coded as sound and not as a telephone call, whose high-pass bends the phases of the lows: what is measured is the reception.
    def coded_as_sound(encoder):
        init(encoder)
        encoder.codec.options = {"application": "audio"}

    init, OpusEncoder.__init__ = OpusEncoder.__init__, coded_as_sound
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    pc = RTCPeerConnection()
    pc.addTrack(MediaPlayer(args.file, loop=True).audio)
    await pc.setLocalDescription(await pc.createOffer())
    answer, session = post(args.url, pc.localDescription.sdp.replace("a=sendrecv", "a=sendonly"))
    answer, relay = through_relay(answer, args)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    for _ in range(100):
        if pc.connectionState == "connected":
            break
        await asyncio.sleep(0.1)
    say(state=pc.connectionState)
    await asyncio.sleep(args.secs)
    state = pc.connectionState
    while args.stay:
        await asyncio.sleep(1)
    delete(session)
    await pc.close()
    say(state=state, media=relay.media if relay else None, lost=relay.lost if relay else None)


PAGE = """async () => {
  const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
  const pc = window.pc = new RTCPeerConnection();
  pc.addTransceiver(stream.getAudioTracks()[0], { direction: "sendonly", streams: [stream] });
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== "complete") {
    await new Promise((done) => { pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done(); setTimeout(done, 1000); });
  }
  return pc.localDescription.sdp;
}"""


def with_chromium(args):
    from playwright.sync_api import sync_playwright

    flags = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={args.file}",
        "--allow-loopback-in-peer-connection",
        "--disable-gpu",
    ]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = browser.new_context(permissions=["microphone"]).new_page()
        page.goto(args.url.split("/whip/")[0] + "/api/status")
        offer = page.evaluate(PAGE)
        answer, session = post(args.url, offer)
        answer, relay = through_relay(answer, args)
        page.evaluate("(sdp) => pc.setRemoteDescription({ type: 'answer', sdp })", answer)
        page.wait_for_function("pc.connectionState === 'connected'", timeout=15_000)
        say(state="connected")
        page.wait_for_timeout(args.secs * 1_000)
        state = page.evaluate("pc.connectionState")
        while args.stay:
            page.wait_for_timeout(1_000)
        delete(session)
        browser.close()
        say(state=state, media=relay.media if relay else None, lost=relay.lost if relay else None)


def digits(args):
    words = "zero one two three four five six seven eight nine".split()
    data = os.environ.get("SESERAGI_DATA")
    root = Path(data) / "spoken-digits" if data else Path(__file__).parent.parent / "data/words"
    chance = random.Random(11)
    clips = [sorted((root / word).glob("*.wav")) for word in words if (root / word).is_dir()]
    parts, length = [np.zeros(RATE // 2)], RATE // 2
    while length < args.secs * RATE:
        with wave.open(str(chance.choice(chance.choice(clips)))) as clip:
            rate, count = clip.getframerate(), clip.getnframes()
            sound = np.frombuffer(clip.readframes(count), "<i2").astype(float)
        whole = np.zeros(count * RATE // rate // 2 + 1, complex)
        spectrum = np.fft.rfft(sound)
        whole[: len(spectrum)] = spectrum * RATE / rate
        sound = np.fft.irfft(whole)
        parts += [sound, np.zeros(int(RATE * chance.uniform(0.3, 0.6)))]
        length += len(parts[-1]) + len(parts[-2])
    sound = np.concatenate(parts)[: int(args.secs * RATE)]
    with wave.open(args.out, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(np.clip(sound, -32768, 32767).astype("<i2").tobytes())
    say(secs=len(sound) / RATE)


def compare(args):
    heard = np.fromfile(args.heard, "<i2").astype(float)
    with wave.open(args.file) as file:
        played = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    # The file is played in a loop: as often as what was heard may need, and once more for its beginning.
    played = np.tile(played, len(heard) // len(played) + 2)
    size = 1 << (len(played) + len(heard)).bit_length()
    match = np.fft.irfft(np.fft.rfft(played, size) * np.conj(np.fft.rfft(heard, size)))
    at = int(np.argmax(match[: len(played) - len(heard) + 1]))
    part = played[at : at + len(heard)]
    like = float(part @ heard / np.sqrt((part @ part) * (heard @ heard)))
    # A browser that gets no processor skips a part of its fake microphone's file: quarter second by quarter second, each where
    # least is left of the difference, which is where it was before unless another place is clearly better.
    sums, jumps, last, piece = np.zeros(3), [], at, RATE // 4
    energy = np.concatenate([[0.0], np.cumsum(played**2)])
    usual = (heard @ heard) * piece / len(heard)
    for start in range(0, len(heard) - piece + 1, piece):
        part = heard[start : start + piece]
        low = max(0, last + start - RATE)
        around = played[low : low + 2 * RATE + piece]
        size = 1 << 17
        match = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(part, size)))[: len(around) - piece + 1]
        left = energy[low + piece : low + piece + len(match)] - energy[low : low + len(match)] - 2 * match
        lag = low + int(np.argmin(left))
        if left[last + start - low] - left[lag - low] < max(0.2 * (part @ part), 0.1 * usual):
            lag = last + start
        if lag - start != last:
            jumps.append(f"{(lag - start - last) / RATE * 1e3:.1f} ms at {start / RATE:.2f} s")
        last = lag - start
        best = played[lag : lag + piece]
        sums += (best @ part, best @ best, part @ part)
    by_piece = float(sums[0] / np.sqrt(sums[1] * sums[2]))
    say(correlation=like, by_piece=by_piece, jumps=jumps, at_secs=at / RATE, secs=len(heard) / RATE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    for name, run in (("aiortc", lambda args: asyncio.run(with_aiortc(args))), ("chromium", with_chromium)):
        kind = kinds.add_parser(name)
        kind.add_argument("url")
        kind.add_argument("file")
        kind.add_argument("secs", type=float)
        kind.add_argument("--loss", type=float, default=0)
        kind.add_argument("--cut", type=lambda text: tuple(map(float, text.split(","))))
        kind.add_argument("--stay", action="store_true")
        kind.set_defaults(run=run)
    kind = kinds.add_parser("digits")
    kind.add_argument("out")
    kind.add_argument("secs", type=float)
    kind.set_defaults(run=digits)
    kind = kinds.add_parser("compare")
    kind.add_argument("heard")
    kind.add_argument("file")
    kind.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    sys.exit(main())
