"""The encoder of OpenAI's Whisper (MIT) as a teacher: 16 kHz sound to the output of every layer at 50 Hz. Offline tool (torch)."""
import numpy as np
import torch
import torch.nn.functional as F

from ct2_reader import read


def mel_filters(n=80, sr=16000, nfft=400):
    def to_mel(f):
        f = np.asarray(f, float); m = f / (200 / 3)
        return np.where(f >= 1000, 15 + np.log(np.maximum(f, 1e-9) / 1000) / (np.log(6.4) / 27), m)
    def to_hz(m):
        return np.where(m >= 15, 1000 * np.exp((np.log(6.4) / 27) * (m - 15)), m * (200 / 3))
    e = to_hz(np.linspace(to_mel(0), to_mel(sr / 2), n + 2)); hz = np.arange(nfft // 2 + 1) * sr / nfft
    lo = (hz - e[:-2, None]) / (e[1:-1] - e[:-2])[:, None]; hi = (e[2:, None] - hz) / (e[2:] - e[1:-1])[:, None]
    return np.maximum(0, np.minimum(lo, hi)) * (2 / (e[2:] - e[:-2]))[:, None]
FILT = torch.tensor(mel_filters(), dtype=torch.float32); HANN = torch.hann_window(400)
def mel(pcm):
    x = torch.as_tensor(pcm, dtype=torch.float32)
    s = torch.stft(x, 400, 160, window=HANN, center=True, return_complex=True)[..., :-1].abs() ** 2
    m = torch.clamp(FILT @ s, min=1e-10).log10(); m = torch.maximum(m, m.max() - 8); return (m + 4) / 4
class Encoder:
    def __init__(self, path, layers=None):
        w = read(path)
        self.w = {k[8:]: torch.tensor(np.array(v, np.float32)) for k, v in w.items() if k.startswith('encoder/') and v.dtype == np.float16}
        every = 1 + max(int(k.split('/')[0][6:]) for k in self.w if k.startswith('layer_') and not k.startswith('layer_norm'))
        self.layers, self.whole = layers or every, not layers
        self.heads = int(w['encoder/num_heads'])
        self.width = len(self.w['layer_norm/gamma'])
    @torch.no_grad()
    def __call__(self, m):
        """[B, 80, T] -> list of [B, T/2, C], one a layer, the last normalised."""
        w = self.w; x = F.gelu(F.conv1d(m, w['conv1/weight'], w['conv1/bias'], padding=1))
        x = F.gelu(F.conv1d(x, w['conv2/weight'], w['conv2/bias'], stride=2, padding=1)).transpose(1, 2)
        C = x.shape[-1]; x = x + w['position_encodings/encodings'][:x.shape[1]]; out = []
        ln = lambda x, p: F.layer_norm(x, (C,), w[p + '/gamma'], w[p + '/beta'])
        for i in range(self.layers):
            p = f'layer_{i}/self_attention/'
            qkv = F.linear(ln(x, p + 'layer_norm'), w[p + 'linear_0/weight'], w[p + 'linear_0/bias'])
            q, k, v = [t.reshape(*t.shape[:2], self.heads, -1).transpose(1, 2) for t in qkv.chunk(3, -1)]
            a = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
            x = x + F.linear(a, w[p + 'linear_1/weight'], w[p + 'linear_1/bias'])
            p = f'layer_{i}/ffn/'
            h = F.gelu(F.linear(ln(x, p + 'layer_norm'), w[p + 'linear_0/weight'], w[p + 'linear_0/bias']))
            x = x + F.linear(h, w[p + 'linear_1/weight'], w[p + 'linear_1/bias'])
            out.append(x)
        if self.whole: out[-1] = ln(x, 'layer_norm')
        return out
