"""Reads a CTranslate2 model file: version, kind, revision, then named arrays (name, rank, sizes, type, bytes), little-endian."""
import struct

import numpy as np

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read(path):
    """Every array by name; they share one buffer and cannot be written."""
    with open(path, 'rb') as file:
        data = file.read()
    at = 0

    def number(kind):
        nonlocal at
        value = struct.unpack_from('<' + kind, data, at)[0]
        at += struct.calcsize(kind)
        return value

    def text():
        nonlocal at
        length = number('H')
        value = data[at:at + length - 1].decode()
        at += length
        return value

    number('I'), text(), number('I')
    arrays = {}
    for _ in range(number('I')):
        name = text()
        sizes = [number('I') for _ in range(number('B'))]
        kind, length = TYPES[number('B')], number('I')
        arrays[name] = np.frombuffer(data, kind, length // np.dtype(kind).itemsize, at).reshape(sizes)
        at += length
    return arrays
