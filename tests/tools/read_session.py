"""Reads every message of a session file with Python's mcap and its protobuf support, and tells what it found as JSON."""

import json
import sys
import zlib
from collections import Counter

from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

counts, pcm, rates, lower, errors = Counter(), {}, {}, Counter(), []
with open(sys.argv[1], "rb") as file:
    reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
    for schema, channel, message in reader.iter_messages():
        counts[channel.topic] += 1
        if schema.encoding == "jsonschema":
            record = json.loads(message.data)
            known = json.loads(schema.data)["properties"]
            if record["v"] != 1 or not set(record) <= set(known):
                errors.append(f"{channel.topic}: {record}")
    binary = ("audio", "packets", "spectrogram", "waveform")
    topics = [topic for topic in counts if topic.rsplit("/", 1)[1].startswith(binary)]
    for decoded in reader.iter_decoded_messages(topics=topics):
        message = decoded.decoded_message
        lane = decoded.channel.metadata["seseragi.lane"]
        key = json.loads(lane)["key"]
        if decoded.schema.name == "foxglove.RawAudio":
            pcm[key] = pcm.get(key, b"") + message.data
            rates[key] = message.sample_rate
            nanos = message.timestamp.seconds * 10**9 + message.timestamp.nanos
            if message.format != "pcm-s16" or message.number_of_channels != 1 or nanos != decoded.message.log_time:
                errors.append(f"{key}: {message.format} {message.number_of_channels} {nanos}")
        elif decoded.schema.name == "foxglove.CompressedAudio":
            if message.format != "opus" or not message.data:
                errors.append(f"{key}: a packet of {message.format}")
        elif decoded.schema.name == "seseragi.LowerBits":
            lower[key] += len(message.values)
        elif message.v != 1 or (decoded.schema.name.endswith("SpectrogramLevel") and len(message.values) % message.bins):
            errors.append(f"{key}: a picture that is none")
lanes = {key: {"samples": len(data) // 2, "crc32": zlib.crc32(data), "rate": rates[key], "lower": lower[key]}
         for key, data in pcm.items()}
json.dump({"counts": counts, "lanes": lanes, "errors": errors}, sys.stdout)
