"""A WHEP player by aiortc: `aiortc-player.py <whep url> <pictures>`.

Plays until it has decoded so many pictures and heard something, deletes what it created, waits for the connection to
end, and prints what it saw as one line of JSON.
"""

import asyncio
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription

LIMIT_S = 30
LOUD = 1000  # of 32767


def ask(method, url, body=None):
    """Status, headers and text of one HTTP request."""
    request = urllib.request.Request(
        url, method=method, data=body, headers={"content-type": "application/sdp"}
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


async def play(url, wanted):
    seen = {"pictures": 0, "sounds": 0, "peak": 0, "width": 0, "height": 0, "seconds": 0.0}
    enough, ended = asyncio.Event(), asyncio.Event()
    pc = RTCPeerConnection()
    pc.addTransceiver("video", direction="recvonly")
    pc.addTransceiver("audio", direction="recvonly")

    @pc.on("connectionstatechange")
    def changed():
        if pc.connectionState in ("closed", "failed"):
            ended.set()

    async def watch(track):
        first = None
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    first = first or time.monotonic()
                    seen["pictures"] += 1
                    seen["width"], seen["height"] = frame.width, frame.height
                    seen["seconds"] = time.monotonic() - first
                else:
                    seen["sounds"] += 1
                    seen["peak"] = max(seen["peak"], int(numpy.abs(frame.to_ndarray().astype(int)).max()))
                if seen["pictures"] >= wanted and seen["peak"] > LOUD:
                    enough.set()
        except Exception:  # aiortc's MediaStreamError: the track is over
            ended.set()

    watchers = []
    pc.on("track", lambda track: watchers.append(asyncio.ensure_future(watch(track))))
    try:
        await pc.setLocalDescription(await pc.createOffer())
        status, headers, text = await asyncio.to_thread(ask, "POST", url, pc.localDescription.sdp.encode())
        seen["post"] = status
        if status != 201:
            seen["answer"] = text
            return seen
        await pc.setRemoteDescription(RTCSessionDescription(type="answer", sdp=text))
        await asyncio.wait_for(enough.wait(), LIMIT_S)
        location = urllib.parse.urljoin(url, headers["location"])
        seen["delete"] = (await asyncio.to_thread(ask, "DELETE", location))[0]
        await asyncio.wait_for(ended.wait(), LIMIT_S)
        seen["ended"] = True
    except asyncio.TimeoutError:
        seen["late"] = True
    finally:
        await pc.close()
    return seen


print(json.dumps(asyncio.run(play(sys.argv[1], int(sys.argv[2])))))
