"""The encoder of whisper-tiny with the five hidden states that MuseTalk listens to."""
from pathlib import Path

import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from checkpoints import fill, find_weights, read_config, read_state
from failure import ExportError
from graph import Graph, Input

STATES, WIDTH = 5, 384


class AllStates(torch.nn.Module):
    """
    [b, 80, 3000] log-mel to [b, 1500, 5, 384]: the input of the first layer, the outputs of the first three, and the
    final norm of the fourth's output.
    """

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_features):
        states = self.encoder(input_features, output_hidden_states=True, return_dict=True).hidden_states
        return torch.stack(states, dim=2)


def build(config: dict) -> WhisperEncoder:
    settings = WhisperConfig.from_dict(config)
    # The plain form of attention is the one that is the same in every exporter and runtime.
    settings._attn_implementation = 'eager'
    return WhisperEncoder(settings).eval()


def encoder_only(state: dict) -> dict:
    """The encoder's tensors of a whole Whisper (keys `model.encoder.` or `encoder.`) or of an encoder alone."""
    for prefix in ('model.encoder.', 'encoder.'):
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if own:
            return own
    return state


def graph(path: Path) -> Graph:
    config = read_config(path)
    if config.get('encoder_layers') != STATES - 1 or config.get('d_model') != WIDTH:
        raise ExportError(
            f'{path} has {config.get("encoder_layers")} encoder layers of width {config.get("d_model")}, but MuseTalk '
            'listens to whisper-tiny (4 of 384); give the folder of openai/whisper-tiny.'
        )
    encoder = build(config)
    fill(encoder, encoder_only(read_state(path)), 'the encoder of whisper-tiny', path)
    return Graph(
        'whisper_encoder',
        AllStates(encoder),
        [Input('input_features', (80, 3000))],
        ['audio_features_all_layers'],
        [find_weights(path)],
    )
