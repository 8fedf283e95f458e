"""Networks that are already published as ONNX: checked and given the canonical names."""
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from failure import ExportError
from graph import Input, save


def adopt(source: Path, target: Path, inputs: list[Input], outputs: list[str], shapes: list[tuple]) -> None:
    """
    Copies `source` to `target` with one input and the first `len(outputs)` outputs renamed, after a run on random
    values proves the shapes (`shapes`, without the batch axis; None matches any size).
    """
    (wanted,) = inputs
    try:
        session = onnxruntime.InferenceSession(str(source), providers=['CPUExecutionProvider'])
    except Exception as error:
        reason = str(error).strip().split('\n')[0]
        raise ExportError(f'{source} is not a graph that ONNX Runtime accepts ({reason}); download it again.') from error
    entry, found = session.get_inputs(), session.get_outputs()
    if len(entry) != 1 or len(found) < len(outputs):
        raise ExportError(
            f'{source} has {len(entry)} inputs and {len(found)} outputs, expected 1 and {len(outputs)}; '
            f'give the network named {target.stem}.'
        )
    names = [output.name for output in found]
    # By name where all are there (some exports list them in another order), else by place.
    picked = list(outputs) if set(outputs) <= set(names) else names[: len(outputs)]
    values = np.random.default_rng(1).standard_normal((1, *wanted.shape)).astype(np.float32)
    try:
        results = session.run(picked, {entry[0].name: values})
    except Exception as error:
        reason = str(error).strip().split('\n')[0]
        raise ExportError(
            f'{source} does not take float32 {list(values.shape)} ({reason}); give the network named {target.stem}.'
        ) from error
    for name, result, shape in zip(picked, results, shapes, strict=True):
        fits = len(result.shape) == 1 + len(shape) and all(
            size is None or size == actual for size, actual in zip(shape, result.shape[1:], strict=True)
        )
        if not fits or not np.isfinite(result).all():
            raise ExportError(
                f'{source} answers {name} with {list(result.shape)}, expected [1, {", ".join(map(str, shape))}] of '
                f'finite numbers; give the network named {target.stem}.'
            )
    model = onnx.load(str(source))
    rename(model, {entry[0].name: wanted.name, **dict(zip(picked, outputs, strict=True))})
    kept = {output.name: output for output in model.graph.output}
    del model.graph.output[:]
    model.graph.output.extend(kept[name] for name in outputs)
    save(model, target)


def rename(model: onnx.ModelProto, names: dict[str, str]) -> None:
    taken = {value for node in model.graph.node for value in (*node.input, *node.output)}
    clashes = {new: f'{new}_inner' for old, new in names.items() if old != new and new in taken and new not in names}
    names = {**clashes, **names}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        value.name = names.get(value.name, value.name)
