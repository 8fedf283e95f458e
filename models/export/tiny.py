"""
Tiny but genuine networks for the tests: the true topologies with few channels and random weights, saved as if they
were official, exported by export.py, with what PyTorch itself computes beside them.

usage: tiny.py FOLDER

FOLDER/onnx: the graphs, single and half precision. FOLDER/goldens.json: name, file and shape of each tensor, raw
little-endian float32 (bytes for the picture) in FOLDER/goldens. Three items each: mel to states (first 150 rows);
picture -1..1 to latents; latents and audio to the UNet's answer, to the decoded picture, as float and as bytes.
"""
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch

import export
from parts.vae import SCALE
from random_checkpoints import networks, write

ITEMS, STATE_ROWS = 3, 150
# Pictures whose audio windows are taken: the first one reaches before the sound.
WINDOWS = (0, 1, 30)


def position_table(rows: int, width: int) -> np.ndarray:
    """Sine and cosine interleaved, as MuseTalk adds them to the audio."""
    rates = np.exp(np.arange(0, width, 2) * (-math.log(10000) / width))
    angles = np.arange(rows)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(rows, width).astype(np.float32)


def audio_windows(states: np.ndarray) -> np.ndarray:
    """[rows, 5, 384] to ten rows around each picture, four of them before it, with positions: [n, 50, 384]."""
    padded = np.concatenate([np.zeros((4, *states.shape[1:]), np.float32), states])
    windows = [padded[2 * index : 2 * index + 10].reshape(50, -1) for index in WINDOWS]
    return np.stack(windows) + position_table(50, states.shape[2])


@torch.inference_mode()
def goldens(made: dict) -> dict[str, np.ndarray]:
    """The libraries' own ways through the networks, not the exporter's."""
    random = np.random.default_rng(11)
    kl = made['vae']
    mel = random.uniform(-1, 1.5, (ITEMS, 80, 3000)).astype(np.float32)
    states = made['whisper'](torch.from_numpy(mel), output_hidden_states=True).hidden_states
    states = torch.stack(states, dim=2)[:, :STATE_ROWS].numpy()
    image = random.uniform(-1, 1, (ITEMS, 3, 256, 256)).astype(np.float32)
    masked = image.copy()
    masked[:, :, 128:] = -1
    encode = lambda picture: kl.encode(torch.from_numpy(picture)).latent_dist.mean * SCALE
    latents = encode(image)
    inputs = torch.cat([encode(masked), latents], dim=1)
    audio = torch.from_numpy(audio_windows(states[0]))
    answer = made['unet'](inputs, torch.tensor([0]), encoder_hidden_states=audio).sample
    decoded = kl.decode(answer / SCALE).sample
    bytes_ = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return {
        'mel': mel,
        'states': states,
        'image': image,
        'latents': latents.numpy(),
        'unetLatents': inputs.numpy(),
        'unetAudio': audio.numpy(),
        'unetAnswer': answer.numpy(),
        'decoded': decoded.numpy(),
        'decodedTiny': made['taesd'].decode(answer).sample.numpy(),
        'pictures': bytes_.numpy(),
    }


def write_goldens(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    (folder / 'goldens').mkdir(parents=True, exist_ok=True)
    listing = {}
    for name, values in tensors.items():
        file = f'goldens/{name}.{"u8" if values.dtype == np.uint8 else "f32"}'
        np.ascontiguousarray(values).tofile(folder / file)
        listing[name] = {'file': file, 'shape': list(values.shape)}
    (folder / 'goldens.json').write_text(json.dumps(listing, indent=1) + '\n')


def main(folder: Path) -> int:
    torch.set_num_threads(1)
    made = networks('tiny')
    weights = folder / 'weights'
    write(weights, 'tiny', made)
    write_goldens(folder, goldens(made))
    weight = lambda name: str(weights / name)
    out = ['--out', str(folder / 'onnx')]
    given = ['--unet', weight('musetalkV15'), '--vae', weight('sd-vae-ft-mse'), '--taesd', weight('taesd')]
    # The encoder's long attention takes most of the time, and the test compares it with the goldens anyway.
    hearing = ['--whisper', weight('whisper'), '--no-check']
    return export.main([*given, *out, '--precision', 'both']) or export.main([*hearing, *out])


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
