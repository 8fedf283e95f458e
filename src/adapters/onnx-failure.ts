import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { AppError } from '../errors.js';

/** Where a graph runs: the CPU, or one NVIDIA GPU. */
export interface OnnxProvider {
  readonly provider: 'cpu' | 'cuda';
  /** Which GPU, 0 first. */
  readonly gpuId?: number;
}

/** Fails with `file-not-found` or `model-invalid` if there is no file to load. */
export async function requireModelFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) {
    throw new AppError(
      'file-not-found',
      `the model file ${path} is not there: download it (npm run models -- download), export it (models/export), or give its path`,
    );
  }
  if (!found.isFile()) {
    throw new AppError(
      'model-invalid',
      `${path} is a folder, not a model file: give the path of the .onnx file`,
    );
  }
}

/** What ONNX Runtime's complaint about a file means, in one sentence with what to do. */
export async function explainLoadFailure(
  path: string,
  { provider, gpuId }: OnnxProvider,
  error: unknown,
): Promise<AppError> {
  const text = error instanceof Error ? error.message : String(error);
  const name = basename(path);
  const problem = (code: AppError['code'], sentence: string): AppError =>
    new AppError(code, sentence, { cause: error });

  const absentData = /External data path does not exist: "?([^"\n]+)"?/.exec(text)?.[1];
  if (absentData !== undefined) {
    return problem(
      'file-not-found',
      `the weights of ${path} stand in ${basename(absentData)}, which is not beside it: put both files into one folder under these names`,
    );
  }
  if (/External initializer[^]*(out of bounds|can not be read)/.test(text)) {
    return problem(
      'model-invalid',
      `the data file beside ${path} is shorter than the model says, so it was cut off: download it again`,
    );
  }
  if (/Protobuf parsing failed|does not have a graph/.test(text)) {
    return problem('model-invalid', await describeForeignFile(path));
  }
  const operator = /(?:Could not find an implementation|Failed to find kernel) for ([^(\s]+)/.exec(text)?.[1];
  if (operator !== undefined) {
    const instead =
      provider === 'cpu'
        ? 'a float16 or GPU-optimised export runs with the provider cuda only, so take the fp32 file here'
        : 'take the fp32 file or export the model again (models/export)';
    return problem(
      'not-supported',
      `the provider ${provider} cannot compute ${operator} as ${name} asks for it: ${instead}`,
    );
  }
  if (isOutOfMemory(error)) {
    return problem(
      'no-capacity',
      `there is not enough ${provider === 'cuda' ? 'GPU ' : ''}memory to load ${name}: close other programs or take the fp16 file`,
    );
  }
  if (provider === 'cuda' && /invalid device ordinal|failure 101\b|device_id/i.test(text)) {
    return problem('invalid-argument', `there is no GPU number ${gpuId ?? 0} here: give another gpu_id`);
  }
  if (provider === 'cuda' && /shared library|load library|cuda|cudnn/i.test(text)) {
    return problem(
      'not-supported',
      `CUDA is not available to ONNX Runtime here (${firstLine(text)}): run \`npm run models -- cuda\` on a machine with an NVIDIA driver, or use the provider cpu`,
    );
  }
  return problem('model-invalid', `cannot load the model ${path}: ${firstLine(text)}`);
}

/** Whether a load or a run failed because memory, most likely the GPU's, ran out. */
export function isOutOfMemory(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error);
  return /Failed to allocate|out of memory|CUDA failure 2\b|BFCArena|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|bad_alloc/i.test(
    text,
  );
}

/** Tells what stands in a file that is not a whole ONNX graph. */
async function describeForeignFile(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    const head = buffer.subarray(0, bytesRead);
    const text = head.toString('latin1').trimStart();
    if (size === 0) return `${path} is empty: download it again`;
    if (text.startsWith('version https://git-lfs')) {
      return `${path} is a Git LFS pointer, not the model: run git lfs pull or download the file itself`;
    }
    if (text.startsWith('<')) {
      return `${path} is a web page, not a model: the download was answered by a sign-in or error page`;
    }
    // Zip (torch.save) or pickle.
    if (text.startsWith('PK') || head[0] === 0x80) {
      return `${path} is a PyTorch checkpoint, not ONNX: export it first (MuseTalk's with models/export/export.py)`;
    }
    // Every ONNX file starts with field 1, the version of the format.
    if (head[0] === 0x08) return `${path} is damaged or breaks off after ${size} bytes: download it again`;
    return `${path} is not an ONNX file: give the path of the .onnx file, or download it again`;
  } finally {
    await file.close();
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}
