"""
Checkpoints that look like the official ones but hold random numbers: with the true configurations ('full', to try the
exporter and to measure speed where no weights are at hand) or with few channels ('tiny', for the tests).

usage: random_checkpoints.py tiny|full FOLDER
"""
import json
import sys
from pathlib import Path

import torch

from parts import bisenet, rtmpose, s3fd, taesd, unet, vae, whisper

WHISPER = {'d_model': 384, 'encoder_layers': 4, 'encoder_attention_heads': 6, 'encoder_ffn_dim': 1536}
TINY_CHANNELS = {'block_out_channels': [8, 16, 16, 16], 'norm_num_groups': 4, 'attention_head_dim': 2}
CONFIGS = {
    'full': {'unet': unet.CONFIG, 'vae': vae.CONFIG, 'whisper': WHISPER, 'taesd': {}},
    'tiny': {
        'unet': {**unet.CONFIG, **TINY_CHANNELS},
        'vae': {**vae.CONFIG, 'block_out_channels': [8, 8, 16, 16], 'norm_num_groups': 4},
        'whisper': {**WHISPER, 'encoder_ffn_dim': 32},
        'taesd': {'encoder_block_out_channels': [8] * 4, 'decoder_block_out_channels': [8] * 4},
    },
}
# Parameters of the true configurations, as published.
FULL_COUNTS = {'unet': 849_947_844, 'vae decoder': 49_490_199, 'vae encoder': 34_163_664}


def networks(size: str) -> dict[str, torch.nn.Module]:
    torch.manual_seed(7)
    config = CONFIGS[size]
    return {
        'unet': unet.build(config['unet']),
        'vae': vae.build(config['vae']),
        'whisper': whisper.build(config['whisper']),
        'taesd': taesd.build(config['taesd']),
    }


def small_networks() -> dict[str, torch.nn.Module]:
    """The networks of preparation, which have one size only."""
    torch.manual_seed(8)
    return {'79999_iter.pth': bisenet.BiSeNet(), 's3fd.pth': s3fd.S3fd(), 'dw-ll_ucoco_384.pth': rtmpose.RtmPose()}


def old_vae_names(state: dict) -> dict:
    """The middle attention's names as the published sd-vae-ft-mse has them."""
    names = {new: old for old, new in vae.OLD_NAMES.items()}
    renamed = {}
    for name, value in state.items():
        for new, old in names.items():
            if '.attentions.' in name:
                name = name.replace(f'.{new}.', f'.{old}.')
        renamed[name] = value
    return renamed


def write(folder: Path, size: str, made: dict[str, torch.nn.Module]) -> None:
    """Each network in the dress of its official release: folders, file names, key names, wrappers."""
    config = CONFIGS[size]
    for name in ('musetalkV15', 'sd-vae-ft-mse', 'whisper', 'taesd'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    torch.save(made['unet'].state_dict(), folder / 'musetalkV15' / 'unet.pth')
    put_json(folder / 'musetalkV15' / 'musetalk.json', {'_class_name': 'UNet2DConditionModel', **config['unet']})
    torch.save(old_vae_names(made['vae'].state_dict()), folder / 'sd-vae-ft-mse' / 'diffusion_pytorch_model.bin')
    put_json(folder / 'sd-vae-ft-mse' / 'config.json', {'_class_name': 'AutoencoderKL', **config['vae']})
    encoder = {f'model.encoder.{name}': value for name, value in made['whisper'].state_dict().items()}
    torch.save({**encoder, 'proj_out.weight': torch.zeros(4, 384)}, folder / 'whisper' / 'pytorch_model.bin')
    put_json(folder / 'whisper' / 'config.json', {'model_type': 'whisper', **config['whisper']})
    torch.save(made['taesd'].state_dict(), folder / 'taesd' / 'diffusion_pytorch_model.bin')
    put_json(folder / 'taesd' / 'config.json', {'_class_name': 'AutoencoderTiny', **config['taesd']})


def write_small(folder: Path) -> None:
    for file, network in small_networks().items():
        state = network.state_dict()
        torch.save({'state_dict': {f'module.{name}': value for name, value in state.items()}}, folder / file)


def put_json(file: Path, value: dict) -> None:
    file.write_text(json.dumps(value, indent=1) + '\n')


def count(*parts: torch.nn.Module) -> int:
    return sum(value.numel() for part in parts for value in part.parameters())


def counts(made: dict[str, torch.nn.Module]) -> dict[str, int]:
    kl = made['vae']
    return {
        'unet': count(made['unet']),
        'vae decoder': count(kl.decoder, kl.post_quant_conv),
        'vae encoder': count(kl.encoder, kl.quant_conv),
        'whisper encoder': count(made['whisper']),
        'taesd decoder': count(made['taesd'].decoder),
        **{name: count(network) for name, network in small_networks().items()},
    }


def main(size: str, folder: Path) -> None:
    made = networks(size)
    found = counts(made)
    for name, number in found.items():
        print(f'{name}: {number:,} parameters')
    if size == 'full':
        wrong = [name for name, number in FULL_COUNTS.items() if found[name] != number]
        assert not wrong, f'other parameter counts than published: {wrong}'
        tensors = len(made['unet'].state_dict())
        assert tensors == 686, f'the UNet has {tensors} tensors, expected 686'
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, size, made)
    write_small(folder)


if __name__ == '__main__':
    if len(sys.argv) != 3 or sys.argv[1] not in CONFIGS:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
