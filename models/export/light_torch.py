"""
Makes a torch that was installed without its CUDA packages importable, for the CPU only (Linux, x86-64).

usage: light_torch.py SITE_PACKAGES

PyPI's torch is the CUDA build: it names CUDA's libraries as needed and would bring gigabytes of them. An exporter on
the CPU calls none, so the loader only has to find files of these names. This writes them empty (an ELF head, no
symbols) and lets Python resolve functions when they are called instead of when a library is loaded. CUDA's runtime is
the one exception: torch calls it while it is loaded, so nvidia-cuda-runtime-cu12 (a few MB) has to be installed.
"""
import struct
import sys
from pathlib import Path

ABSENT = (
    'libcublas.so.12',
    'libcublasLt.so.12',
    'libcudnn.so.9',
    'libcufft.so.11',
    'libcupti.so.12',
    'libcurand.so.10',
    'libcusolver.so.11',
    'libcusparse.so.12',
    'libcusparseLt.so.0',
    'libnccl.so.2',
    'libnvJitLink.so.12',
)
# Runs when the interpreter of this environment starts.
LAZY = 'import os, sys; sys.setdlopenflags(os.RTLD_LAZY)\n'


def empty_library(name: str) -> bytes:
    """A shared object without symbols: ELF header, two program headers, then hash, symbols, strings, dynamic table."""
    header_bytes, segment_bytes = 64, 56
    strings = b'\0' + name.encode() + b'\0'
    hash_at = header_bytes + 2 * segment_bytes
    hash_table = struct.pack('<4I', 1, 1, 0, 0)
    symbols_at = hash_at + len(hash_table)
    strings_at = symbols_at + 24
    dynamic_at = -(-(strings_at + len(strings)) // 8) * 8
    # SONAME, HASH, STRTAB, SYMTAB, STRSZ, SYMENT, NULL
    entries = [(14, 1), (4, hash_at), (5, strings_at), (6, symbols_at), (10, len(strings)), (11, 24), (0, 0)]
    dynamic = b''.join(struct.pack('<QQ', *entry) for entry in entries)
    size = dynamic_at + len(dynamic)
    header = b'\x7fELF\x02\x01\x01' + bytes(9)
    # A shared object (3) for x86-64 (62), no entry point, no sections.
    header += struct.pack('<HHIQQQIHHHHHH', 3, 62, 1, 0, header_bytes, 0, 0, header_bytes, segment_bytes, 2, 64, 0, 0)
    load = struct.pack('<IIQQQQQQ', 1, 6, 0, 0, 0, size, size, 0x1000)
    dynamic_segment = struct.pack('<IIQQQQQQ', 2, 6, *[dynamic_at] * 3, *[len(dynamic)] * 2, 8)
    body = header + load + dynamic_segment + hash_table + bytes(24) + strings
    return body.ljust(dynamic_at, b'\0') + dynamic


def main(packages: Path) -> None:
    libraries = packages / 'torch' / 'lib'
    for name in ABSENT:
        # A real one, in its own package or here, is found before ours or kept.
        if not (libraries / name).exists():
            (libraries / name).write_bytes(empty_library(name))
    (packages / 'musecast_lazy_libraries.pth').write_text(LAZY)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
