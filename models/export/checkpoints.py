"""Reads trained weights without ever running code from them, and puts them into a network or says why not."""
import hashlib
import json
from pathlib import Path

import torch

from failure import ExportError

# What hub folders call their weights, in the order of preference.
WEIGHT_FILES = (
    'diffusion_pytorch_model.safetensors',
    'diffusion_pytorch_model.bin',
    'model.safetensors',
    'pytorch_model.bin',
    'unet.pth',
)
WRAPPERS = ('state_dict', 'model_state_dict', 'params_ema', 'params', 'model')


def find_weights(path: Path) -> Path:
    """The file itself, or the weights inside a folder."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise ExportError(f'{path} does not exist; give a weights file or the folder that holds one.')
    for name in WEIGHT_FILES:
        if (path / name).is_file():
            return path / name
    raise ExportError(f'{path} holds no weights; expected one of {", ".join(WEIGHT_FILES)}.')


def read_config(folder: Path, fallback: dict | None = None) -> dict:
    """config.json of a hub folder, else the fallback."""
    file = folder / 'config.json' if folder.is_dir() else folder.parent / 'config.json'
    if file.is_file():
        return read_json(file)
    if fallback is not None:
        return fallback
    raise ExportError(f'{file} does not exist; download it beside the weights.')


def read_json(file: Path) -> dict:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ExportError(f'{file} is not readable JSON ({error}); download it again.') from error


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Name to tensor, unwrapped from {'state_dict': ...} and from the 'module.' of parallel training."""
    file = find_weights(path)
    try:
        if file.suffix == '.safetensors':
            from safetensors.torch import load_file

            state = load_file(file)
        else:
            state = load_pickle(file)
    except ExportError:
        raise
    except Exception as error:
        reason = str(error).strip().split('\n')[0]
        raise ExportError(
            f'{file} is not a checkpoint of plain tensors ({reason}); nothing else is loaded, since it could run '
            'code, so download it again or save its state_dict alone.'
        ) from error
    for name in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict):
        raise ExportError(f'{file} holds a {type(state).__name__}, expected a state_dict; save its state_dict alone.')
    state = {name: value for name, value in state.items() if torch.is_tensor(value)}
    if not state:
        raise ExportError(f'{file} holds no tensors; download it again.')
    if all(name.startswith('module.') for name in state):
        state = {name.removeprefix('module.'): value for name, value in state.items()}
    return state


def load_pickle(file: Path):
    try:
        # Zip checkpoints are mapped, so that a 3.4 GB file does not sit in memory twice.
        return torch.load(file, map_location='cpu', weights_only=True, mmap=True)
    except RuntimeError:
        return torch.load(file, map_location='cpu', weights_only=True)


def fill(network: torch.nn.Module, state: dict[str, torch.Tensor], what: str, source: Path, hint: str = '') -> None:
    """Copies the state into the network, every tensor exactly once."""
    wanted = network.state_dict()
    # Batch norm's counter is not part of inference and old checkpoints lack it.
    missing = [name for name in wanted if name not in state and not name.endswith('num_batches_tracked')]
    unexpected = [name for name in state if name not in wanted and not name.endswith('num_batches_tracked')]
    misshapen = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    problems = [
        f'{label} keys: {len(names)} (first: {names[0]})'
        for label, names in (('missing', missing), ('unexpected', unexpected))
        if names
    ]
    if misshapen:
        first = misshapen[0]
        problems.append(
            f'keys of another shape: {len(misshapen)} (first: {first} is {list(state[first].shape)}, '
            f'expected {list(wanted[first].shape)})'
        )
    if problems:
        advice = f' {hint}' if hint else '; give the official weights and, where there is one, their config.'
        raise ExportError(f'{source} does not fit {what}: {"; ".join(problems)}{advice}')
    network.load_state_dict({name: value for name, value in state.items() if name in wanted}, strict=False)


def sha256_of(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, 'rb') as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
