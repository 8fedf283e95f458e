"""sd-vae-ft-mse as two graphs with the latent scale inside both."""
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from checkpoints import fill, find_weights, read_config, read_state
from failure import ExportError
from graph import Graph, Input

SCALE = 0.18215
CONFIG = {
    'act_fn': 'silu',
    'block_out_channels': [128, 256, 512, 512],
    'down_block_types': ['DownEncoderBlock2D'] * 4,
    'in_channels': 3,
    'latent_channels': 4,
    'layers_per_block': 2,
    'norm_num_groups': 32,
    'out_channels': 3,
    'sample_size': 256,
    'up_block_types': ['UpDecoderBlock2D'] * 4,
}
# What the middle attention's tensors were called before diffusers 0.18; the published weights still are.
OLD_NAMES = {'query': 'to_q', 'key': 'to_k', 'value': 'to_v', 'proj_attn': 'to_out.0'}


class Encoder(torch.nn.Module):
    """Image -1..1 to the posterior's mean, scaled. Not a sample: the same picture always gives the same latents."""

    def __init__(self, vae):
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv

    def forward(self, image):
        mean, _ = self.quant_conv(self.encoder(image)).chunk(2, dim=1)
        return mean * SCALE


class Decoder(torch.nn.Module):
    """Scaled latents to an image of about -1..1."""

    def __init__(self, vae):
        super().__init__()
        self.decoder, self.post_quant_conv = vae.decoder, vae.post_quant_conv

    def forward(self, latents):
        return self.decoder(self.post_quant_conv(latents / SCALE))


def with_new_names(state: dict) -> dict:
    renamed = {}
    for name, value in state.items():
        *path, layer, kind = name.split('.')
        if len(path) > 1 and path[-2] == 'attentions' and layer in OLD_NAMES:
            name = '.'.join([*path, OLD_NAMES[layer], kind])
            value = value.reshape(value.shape[:2]) if value.dim() == 4 else value
        renamed[name] = value
    return renamed


def build(config: dict) -> AutoencoderKL:
    return AutoencoderKL.from_config(config).eval()


def graphs(path: Path) -> list[Graph]:
    config = read_config(path, CONFIG)
    if config.get('scaling_factor', SCALE) != SCALE:
        raise ExportError(
            f'{path} scales latents by {config["scaling_factor"]}, but MuseTalk was trained with {SCALE}; '
            'give the folder of sd-vae-ft-mse.'
        )
    vae = build(config)
    fill(vae, with_new_names(read_state(path)), 'the VAE sd-vae-ft-mse', path)
    image, latents = Input('image', (3, 256, 256)), Input('latents', (4, 32, 32))
    sources = [find_weights(path)]
    return [
        Graph('vae_encoder', Encoder(vae), [image], ['latents'], sources, halvable=True),
        Graph('vae_decoder', Decoder(vae), [latents], ['image'], sources, halvable=True),
    ]
