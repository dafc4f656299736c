"""A client of the protocol of /ws, as the original's clients were: sends a sound file and prints what came back, as JSON.

    ws_client.py URL FILE SECS [MODEL]

The sound goes out in blocks of 100 ms at the speed at which it was recorded; FILE may be anything that soundfile reads.
"""

import asyncio
import json
import sys
import time

import soundfile
import websockets


async def listen(socket, heard):
    async for text in socket:
        message = json.loads(text)
        heard.append((time.monotonic(), message))
        if message["type"] == "status" and message["payload"]["status"] == "stopped":
            return
        if message["type"] == "error":
            return


async def main(url, path, secs, model):
    sound, rate = soundfile.read(path, dtype="int16", always_2d=True)
    sound = sound[: int(rate * float(secs)), 0]
    heard = []
    async with websockets.connect(url) as socket:
        listening = asyncio.create_task(listen(socket, heard))
        start = {"type": "start", "sample_rate": rate, "format": "i16"}
        if model:
            start["model_name"] = model
        await socket.send(json.dumps(start))
        block, begin = rate // 10, time.monotonic()
        for i, at in enumerate(range(0, len(sound), block)):
            if listening.done():
                break
            await socket.send(sound[at : at + block].tobytes())
            await asyncio.sleep(max(0.0, begin + (i + 1) * 0.1 - time.monotonic()))
        await socket.send(json.dumps({"type": "stop"}))
        await asyncio.wait_for(listening, 30)
    print(json.dumps({"messages": [message for _, message in heard], "times": [at - begin for at, _ in heard]}))


asyncio.run(main(*sys.argv[1:4], sys.argv[4] if len(sys.argv) > 4 else None))
