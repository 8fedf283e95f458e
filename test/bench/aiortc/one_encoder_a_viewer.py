"""What a server built on aiortc does: a connection a viewer, and in each an encoder of its own.

Reads calls from standard input and answers on standard output, one JSON object a line (see remote.ts). The only method
is `join`: it answers an offer and sends a moving picture and a sound from then on. The pictures are drawn in advance
and shared, and the picture's bit rate is set to ours, so that only coding and sending are measured. (The rate of the sound
cannot be set in aiortc; libopus takes about 96 kbit/s.)
"""

import asyncio
import fractions
import json
import sys
import time

import numpy
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import vpx
from av import AudioFrame, VideoFrame

OPTIONS = json.loads(sys.argv[1])
SIDE, FPS = OPTIONS["sidePx"], OPTIONS["fps"]
AUDIO_RATE, AUDIO_SAMPLES = 48000, 960

vpx.DEFAULT_BITRATE = OPTIONS["videoBps"]

PICTURES = numpy.fromfile(OPTIONS["file"], dtype=numpy.uint8).reshape(-1, SIDE * 3 // 2, SIDE)
TIMES = numpy.arange(AUDIO_RATE) / AUDIO_RATE
MONO = (8000 * numpy.sin(2 * numpy.pi * 440 * TIMES) + numpy.random.default_rng(1).normal(0, 500, AUDIO_RATE)).astype(
    numpy.int16
)
SOUND = numpy.repeat(MONO, 2).reshape(-1, 1, AUDIO_SAMPLES * 2)


class Paced(MediaStreamTrack):
    """Hands out `frames` round and round, each when it is due."""

    def __init__(self, kind, frames, seconds, ticks, rate):
        self.kind = kind
        super().__init__()
        self.frames, self.seconds, self.ticks = frames, seconds, ticks
        self.time_base = fractions.Fraction(1, rate)
        self.count, self.start = 0, None

    async def recv(self):
        self.start = self.start or time.monotonic()
        await asyncio.sleep(max(0, self.start + self.count * self.seconds - time.monotonic()))
        frame = self.frames[self.count % len(self.frames)]
        frame.pts, frame.time_base = self.count * self.ticks, self.time_base
        self.count += 1
        return frame


def picture_track():
    frames = [VideoFrame.from_ndarray(picture, format="yuv420p") for picture in PICTURES]
    return Paced("video", frames, 1 / FPS, 90000 // FPS, 90000)


def sound_track():
    frames = [AudioFrame.from_ndarray(packet, format="s16", layout="stereo") for packet in SOUND]
    for frame in frames:
        frame.sample_rate = AUDIO_RATE
    return Paced("audio", frames, AUDIO_SAMPLES / AUDIO_RATE, AUDIO_SAMPLES, AUDIO_RATE)


connections = []


async def join(argument):
    pc = RTCPeerConnection()
    connections.append(pc)
    await pc.setRemoteDescription(RTCSessionDescription(type="offer", sdp=argument["offerSdp"]))
    pc.addTrack(picture_track())
    pc.addTrack(sound_track())
    await pc.setLocalDescription(await pc.createAnswer())
    return pc.localDescription.sdp


async def answer(call):
    try:
        reply = {"call": call["call"], "value": await join(call["argument"])}
    except Exception as error:
        reply = {"call": call["call"], "error": repr(error)}
    print(json.dumps(reply), flush=True)


async def main():
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asyncio.ensure_future(answer(json.loads(line)))


asyncio.run(main())
