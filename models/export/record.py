"""onnx_config.json: what lies in the folder, what it was made from and with, and what the check found."""
import importlib.metadata
import json
from pathlib import Path

from checkpoints import read_json

NAME = 'onnx_config.json'
TOOLS = ('torch', 'diffusers', 'transformers', 'onnx', 'onnxruntime')


def tool_versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in TOOLS}


def update_record(folder: Path, version: str, files: dict[str, dict]) -> None:
    """Adds or replaces the entries of `files` (by file name); parts exported earlier stay."""
    path = folder / NAME
    record = read_json(path) if path.is_file() else {}
    record.update(format='musecast-musetalk-onnx-1', version=version, tools=tool_versions())
    record['files'] = dict(sorted({**record.get('files', {}), **files}.items()))
    path.write_text(json.dumps(record, indent=2) + '\n')
