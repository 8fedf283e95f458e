"""
Official MuseTalk weights to the ONNX files that the MuseTalk engine loads. Each part can be exported alone; README.md
beside this file has the commands.
"""
import argparse
import gc
import importlib
import os
import resource
import sys
import time
from pathlib import Path

import onnx
import torch

from checkpoints import find_weights, sha256_of
from failure import ExportError
from graph import Graph, save, trace
from half import to_half
from ready_onnx import adopt
from record import update_record
from verify import Finding, make_cases, verify


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--unet', type=Path, metavar='FILE', help='pytorch_model.bin (v1), unet.pth (v1.5) or their folder')
    add('--unet-config', type=Path, metavar='FILE', help='musetalk.json (default: beside the weights, else built in)')
    add('--version', choices=['v1', 'v15'], default='v15', help='which weights --unet is; only recorded')
    add('--with-timesteps', action='store_true', help='keep the time step as an input (default: 0, folded in)')
    add('--vae', type=Path, metavar='FOLDER', help='sd-vae-ft-mse')
    add('--whisper', type=Path, metavar='FOLDER', help='whisper-tiny')
    add('--taesd', type=Path, metavar='FOLDER', help='TAESD, the small decoder')
    add('--dwpose', type=Path, metavar='FILE', help='dw-ll_ucoco_384.onnx (or .pth)')
    add('--face-parsing', type=Path, metavar='FILE', help='79999_iter.pth, or a ready .onnx')
    add('--s3fd', type=Path, metavar='FILE', help='s3fd.pth, or a ready .onnx')
    add('--out', type=Path, default=Path('models/musetalk'), metavar='FOLDER')
    add('--precision', choices=['fp32', 'fp16', 'both'], default='fp32', help='of UNet, VAE and TAESD')
    add('--opset', type=int, default=17)
    add('--check', action=argparse.BooleanOptionalAction, default=True, help='compare each file with PyTorch')
    add('--threads', type=int, default=0, help='of PyTorch and of the check (default: PyTorch decides)')
    chosen = parser.parse_args(argv)
    if not any((chosen.unet, chosen.vae, chosen.whisper, chosen.taesd, chosen.dwpose, chosen.face_parsing, chosen.s3fd)):
        parser.error('nothing to export; give at least one of --unet, --vae, --whisper, --taesd, ...')
    return chosen


def export_graph(graph: Graph, args: argparse.Namespace) -> bool:
    """Writes and checks the wanted precisions of one network; False if a check failed."""
    started = time.monotonic()
    cases = make_cases(graph) if args.check else []
    model = trace(graph, args.opset)
    # The network is in the graph now; two of a 3.4 GB one is enough.
    graph.module, graph.fold = torch.nn.Identity(), lambda: None
    gc.collect()
    sources = {file.name: sha256_of(file) for file in map(find_weights, graph.sources)}
    wanted = ['fp32', 'fp16'] if args.precision == 'both' else [args.precision]
    wanted = wanted if graph.halvable else ['fp32']
    good = True
    for precision in wanted:
        half = precision == 'fp16'
        file = args.out / f'{graph.stem}{"_fp16" if half else ""}.onnx'
        # Read again rather than kept through the check, which needs the memory.
        model = model or onnx.load(str(args.out / f'{graph.stem}.onnx'))
        written = save(to_half(model) if half else model, file)
        model = None
        gc.collect()
        findings = verify(file, graph.outputs, cases, half) if args.check else []
        describe(written, time.monotonic() - started, findings)
        good = good and all(finding.passed for finding in findings)
        note(args, graph.stem, precision, written, [one.name for one in graph.inputs], graph.outputs, sources, findings)
        started = time.monotonic()
    return good


def adopt_ready(source: Path, module, stem: str, shapes: list[tuple], args: argparse.Namespace) -> None:
    """A network that is ONNX already."""
    started = time.monotonic()
    target = args.out / f'{stem}.onnx'
    adopt(source, target, module.INPUTS, module.OUTPUTS, shapes)
    describe([target], time.monotonic() - started, [])
    inputs = [one.name for one in module.INPUTS]
    note(args, stem, 'fp32', [target], inputs, module.OUTPUTS, {source.name: sha256_of(source)}, [])


def note(args, role, precision, written, inputs, outputs, sources, findings: list[Finding]) -> None:
    entry = {
        'role': role,
        'precision': precision,
        'opset': args.opset,
        'inputs': inputs,
        'outputs': outputs,
        'sha256': {file.name: sha256_of(file) for file in written},
        'sources': sources,
        'check': [finding.record() for finding in findings],
    }
    update_record(args.out, args.version, {written[0].name: entry})


def describe(written: list[Path], seconds: float, findings: list[Finding]) -> None:
    size = sum(file.stat().st_size for file in written)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f'{" + ".join(file.name for file in written)}: {size:,} bytes, {seconds:.1f} s, peak memory {peak:.1f} GB')
    for one in findings:
        verdict = 'ok' if one.passed else 'TOO FAR from PyTorch'
        print(
            f'  batch {one.batch}, {one.output}: max error {one.maxAbs:.2e}, mean {one.meanAbs:.2e}, '
            f'largest value {one.largest:.3g}: {verdict}'
        )
    sys.stdout.flush()


# Networks that also come as ready ONNX. Option: module in parts, canonical file name, output shapes without the batch.
DETECTORS = {
    'dwpose': ('rtmpose', 'dw-ll_ucoco_384', [(133, 576), (133, 768)]),
    'face_parsing': ('bisenet', 'face_parsing', [(19, 512, 512)]),
    's3fd': ('s3fd', 's3fd', [(channels, None, None) for _ in range(6) for channels in (None, 4)]),
}


def part(name: str):
    """A module of parts/. Imported when used: the libraries behind some take seconds."""
    return importlib.import_module(f'parts.{name}')


def run(args: argparse.Namespace) -> bool:
    """True if every check passed."""
    args.out.mkdir(parents=True, exist_ok=True)
    good = True
    if args.unet:
        good &= export_graph(part('unet').graph(args.unet, args.unet_config, args.with_timesteps), args)
    if args.vae:
        for graph in part('vae').graphs(args.vae):
            good &= export_graph(graph, args)
    if args.taesd:
        good &= export_graph(part('taesd').graph(args.taesd), args)
    if args.whisper:
        good &= export_graph(part('whisper').graph(args.whisper), args)
    for option, (module, stem, shapes) in DETECTORS.items():
        source = getattr(args, option)
        if source and source.suffix == '.onnx':
            adopt_ready(source, part(module), stem, shapes, args)
        elif source:
            good &= export_graph(part(module).graph(source), args)
    return good


def main(argv: list[str]) -> int:
    args = arguments(argv)
    # Their remarks about configurations would hide our one sentence.
    os.environ.setdefault('DIFFUSERS_VERBOSITY', 'error')
    os.environ.setdefault('TRANSFORMERS_VERBOSITY', 'error')
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        good = run(args)
    except ExportError as error:
        print(f'export: {error}', file=sys.stderr)
        return 1
    if not good:
        print(f'export: a file in {args.out} differs too much from PyTorch; do not use it.', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
