"""TAESD's decoder: a small stand-in for the VAE's. It takes the UNet's scaled latents as they are."""
from pathlib import Path

import torch
from diffusers import AutoencoderTiny

from checkpoints import fill, find_weights, read_config, read_state
from graph import Graph, Input


class Decoder(torch.nn.Module):
    """Scaled latents to an image of about -1..1; clamps its input softly to +-3 inside, no scaling."""

    def __init__(self, tiny):
        super().__init__()
        self.decoder = tiny.decoder

    def forward(self, latents):
        return self.decoder(latents)


def build(config: dict) -> AutoencoderTiny:
    return AutoencoderTiny.from_config(config).eval()


def graph(path: Path) -> Graph:
    tiny = build(read_config(path, {}))
    fill(tiny, read_state(path), 'the tiny autoencoder TAESD', path)
    sources = [find_weights(path)]
    return Graph(
        'vae_decoder_tiny', Decoder(tiny), [Input('latents', (4, 32, 32))], ['image'], sources, halvable=True
    )
