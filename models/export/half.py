"""Half precision inside, single precision at the inputs and outputs."""
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Converts in place and returns the model. Feeds and fetches stay float32. Shapes are not inferred again: that
    would serialise the model, which a model over 2 GB does not survive.
    """
    constants_to_initializers(model.graph)
    return convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)


def constants_to_initializers(graph: onnx.GraphProto) -> None:
    """The converter knows which initializers have to stay single (the scales of Resize), but not which constants."""
    kept = []
    for node in graph.node:
        if node.op_type == 'Constant' and node.attribute[0].name == 'value':
            tensor = graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
