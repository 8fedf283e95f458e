import { copyFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const STUBS = path.resolve('test/fixtures/musetalk/stubs');
const NETWORKS = ['unet.onnx', 'vae_encoder.onnx', 'vae_decoder.onnx', 'whisper_encoder.onnx'];

/**
 * A folder with the stand-in networks of MuseTalk, the caller's to remove. Without the stand-in landmark and parsing
 * models, which know one face at one place only: the face mesh takes their part.
 */
export async function stubModels(more: readonly string[] = []): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-stubs-'));
  for (const name of [...NETWORKS, ...more]) await copyFile(path.join(STUBS, name), path.join(folder, name));
  return folder;
}
