"""The MuseTalk UNet: `pytorch_model.bin` (v1) or `unet.pth` (v1.5); both have one architecture."""
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from checkpoints import fill, read_json, read_state
from graph import Graph, Input

CONFIG = {
    'act_fn': 'silu',
    'attention_head_dim': 8,
    'block_out_channels': [320, 640, 1280, 1280],
    'center_input_sample': False,
    'cross_attention_dim': 384,
    'down_block_types': ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
    'downsample_padding': 1,
    'flip_sin_to_cos': True,
    'freq_shift': 0,
    'in_channels': 8,
    'layers_per_block': 2,
    'mid_block_scale_factor': 1,
    'norm_eps': 1e-5,
    'norm_num_groups': 32,
    'out_channels': 4,
    'sample_size': 64,
    'up_block_types': ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
}


class UNetAtZero(torch.nn.Module):
    """Time step 0 of every run, as MuseTalk always asks; the answer is the predicted scaled latent."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, input_latents, audio_prompts):
        time = torch.zeros(1, dtype=torch.int64)
        return self.unet(input_latents, time, encoder_hidden_states=audio_prompts, return_dict=False)[0]


class UNetWithTime(torch.nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, input_latents, timesteps, audio_prompts):
        return self.unet(input_latents, timesteps, encoder_hidden_states=audio_prompts, return_dict=False)[0]


class Constant(torch.nn.Module):
    """Answers any input with one value."""

    def __init__(self, value):
        super().__init__()
        self.register_buffer('value', value)

    def forward(self, _):
        return self.value


@torch.inference_mode(False)
@torch.no_grad()
def fold_time(unet) -> None:
    """Replaces each block's projection of the time embedding by its value at t = 0, one number a channel."""
    embedding = unet.time_embedding(unet.time_proj(torch.zeros(1)))
    activated = torch.nn.functional.silu(embedding)
    for block in list(unet.modules()):
        if getattr(block, 'time_emb_proj', None) is not None:
            block.time_emb_proj = Constant(block.time_emb_proj(activated))


def build(config: dict) -> UNet2DConditionModel:
    return UNet2DConditionModel.from_config(config).eval()


def graph(path: Path, config_file: Path | None, with_timesteps: bool) -> Graph:
    """`path`: the checkpoint or its folder, whose musetalk.json or config.json is the default configuration."""
    folder = path if path.is_dir() else path.parent
    beside = [folder / name for name in ('musetalk.json', 'config.json') if (folder / name).is_file()]
    file = config_file or (beside[0] if beside else None)
    unet = build(read_json(file) if file else CONFIG)
    fill(unet, read_state(path), 'the MuseTalk UNet', path)
    latents, audio = Input('input_latents', (8, 32, 32)), Input('audio_prompts', (50, 384))
    sources = [path] + ([file] if file else [])
    if with_timesteps:
        inputs = [latents, Input('timesteps', (), integers=True), audio]
        return Graph('unet', UNetWithTime(unet), inputs, ['noise_prediction'], sources, halvable=True)
    return Graph(
        'unet',
        UNetAtZero(unet),
        [latents, audio],
        ['noise_prediction'],
        sources,
        fold=lambda: fold_time(unet),
        halvable=True,
    )
