"""Compares an ONNX file with the PyTorch network that it came from, on random inputs."""
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from graph import Graph

BATCHES = (1, 3)
# Single precision: largest error, against the largest value or 1. Half: mean error against the mean size, because
# its largest error changes with the batch size.
SINGLE_LIMIT = 2e-4
HALF_LIMIT = 1e-2


@dataclass
class Case:
    batch: int
    feeds: dict[str, np.ndarray]
    expected: list[np.ndarray]


@dataclass
class Finding:
    output: str
    batch: int
    maxAbs: float
    meanAbs: float
    largest: float
    passed: bool

    def record(self) -> dict:
        return asdict(self)


def make_cases(graph: Graph) -> list[Case]:
    cases = []
    for batch in BATCHES:
        inputs = graph.samples(batch, seed=100 + batch)
        feeds = {one.name: tensor.numpy() for one, tensor in zip(graph.inputs, inputs, strict=True)}
        cases.append(Case(batch, feeds, [tensor.numpy() for tensor in graph.run(inputs)]))
    return cases


def verify(file: Path, outputs: list[str], cases: list[Case], half: bool) -> list[Finding]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])
    findings = []
    for case in cases:
        results = session.run(outputs, case.feeds)
        for name, result, expected in zip(outputs, results, case.expected, strict=True):
            findings.append(compare(name, case.batch, result, expected, half))
    return findings


def compare(name: str, batch: int, result: np.ndarray, expected: np.ndarray, half: bool) -> Finding:
    if result.shape != expected.shape or result.dtype != np.float32 or not np.isfinite(result).all():
        return Finding(name, batch, float('inf'), float('inf'), float('nan'), False)
    error = np.abs(result.astype(np.float64) - expected)
    largest = float(np.abs(expected).max())
    if half:
        passed = error.mean() <= HALF_LIMIT * float(np.abs(expected).mean()) + 1e-6
    else:
        passed = error.max() <= SINGLE_LIMIT * max(1.0, largest)
    return Finding(name, batch, float(error.max()), float(error.mean()), largest, bool(passed))
