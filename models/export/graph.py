"""One network to be written as ONNX, and the writing."""
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch

# Protobuf refuses files of 2 GiB; a margin for the graph around the tensors.
ONE_FILE_LIMIT_BYTES = 2_000_000_000


@dataclass
class Input:
    """A network input without its batch axis. `integers` gives int64 in 0..999, otherwise values are normal."""

    name: str
    shape: tuple[int, ...]
    integers: bool = False
    # Axes besides the batch that may have any size: axis (batch counted) to name.
    free_axes: dict[int, str] = field(default_factory=dict)

    def sample(self, batch: int, random: torch.Generator) -> torch.Tensor:
        """Free axes change their size with the batch, so that a check at two batches proves them free."""
        shape = [size + 40 * (batch - 1) * (axis in self.free_axes) for axis, size in enumerate(self.shape, start=1)]
        if self.integers:
            return torch.randint(0, 1000, (batch, *shape), generator=random)
        return torch.randn((batch, *shape), generator=random)


@dataclass
class Graph:
    """
    `stem` is the canonical file name without precision and ending. `module` takes the inputs in order and returns a
    tensor or a tuple of tensors, one for each output name. `fold` may simplify the module in place before it is
    written, without changing what it computes; the check compares with the module as it was before.
    """

    stem: str
    module: torch.nn.Module
    inputs: list[Input]
    outputs: list[str]
    sources: list[Path]
    fold: Callable[[], None] = lambda: None
    # Whether a half precision file is of use; the small networks of preparation and audio stay single.
    halvable: bool = False
    # Of the last run; the batch axis counts.
    output_shapes: list[tuple[int, ...]] = field(default_factory=list)

    def samples(self, batch: int, seed: int) -> list[torch.Tensor]:
        random = torch.Generator().manual_seed(seed)
        return [one.sample(batch, random) for one in self.inputs]

    @torch.inference_mode()
    def run(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        result = self.module(*inputs)
        outputs = [result] if torch.is_tensor(result) else list(result)
        self.output_shapes = [tuple(output.shape) for output in outputs]
        return outputs


def trace(graph: Graph, opset: int) -> onnx.ModelProto:
    """The graph in single precision, with every input's and output's name and shape said."""
    if not graph.output_shapes:
        graph.run(graph.samples(1, seed=1))
    graph.fold()
    # Two items: a batch of one invites the tracer to take the axis for a constant.
    example = graph.samples(2, seed=1)
    axes = {one.name: {0: 'batch', **one.free_axes} for one in graph.inputs}
    axes |= {name: {0: 'batch'} for name in graph.outputs}
    with tempfile.TemporaryDirectory(prefix='musecast-export-') as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        file = Path(folder) / 'graph.onnx'
        torch.onnx.export(
            graph.module,
            tuple(example),
            str(file),
            input_names=[one.name for one in graph.inputs],
            output_names=graph.outputs,
            dynamic_axes=axes,
            opset_version=opset,
            dynamo=False,
        )
        model = onnx.load(str(file))
    free = any(one.free_axes for one in graph.inputs)
    for info, shape in zip(model.graph.output, graph.output_shapes, strict=True):
        dims = info.type.tensor_type.shape.dim
        del dims[:]
        dims.add().dim_param = 'batch'
        for axis, size in enumerate(shape[1:], start=1):
            if free and axis >= 2:
                dims.add().dim_param = f'{info.name}_{axis}'
            else:
                dims.add().dim_value = size
    return model


def save(model: onnx.ModelProto, file: Path) -> list[Path]:
    """Writes the graph; tensors of a graph too large for one file go to `<file>.data` beside it."""
    data = file.with_name(file.name + '.data')
    for old in (file, data):
        old.unlink(missing_ok=True)
    if model.ByteSize() < ONE_FILE_LIMIT_BYTES:
        onnx.save_model(model, str(file))
        return [file]
    onnx.save_model(
        model, str(file), save_as_external_data=True, all_tensors_to_one_file=True, location=data.name
    )
    return [file, data]
