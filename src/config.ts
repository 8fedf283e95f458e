import path from 'node:path';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { AppError } from './errors.js';

/**
 * Configuration: flag > environment variable > default, one schema. This file alone reads argv and the environment
 * (through the arguments of `readConfig`). README's table is checked against OPTIONS by a test.
 */

interface Option {
  readonly flag: string;
  readonly env: string;
  readonly key: string;
  readonly help: string;
  readonly defaultText: string;
  /** A flag that may stand alone (`--reload`) or be given more than once. */
  readonly kind?: 'switch' | 'list';
}

export const OPTIONS: readonly Option[] = [
  { flag: '--host', env: 'MUSECAST_HOST', key: 'host', defaultText: '0.0.0.0', help: 'address to listen on' },
  {
    flag: '--port',
    env: 'MUSECAST_PORT',
    key: 'port',
    defaultText: '5000',
    help: 'TCP port to listen on; 0 picks a free one',
  },
  {
    flag: '--data-dir',
    env: 'MUSECAST_DATA_DIR',
    key: 'dataDir',
    defaultText: './data',
    help: 'prepared avatars, uploads and results',
  },
  {
    flag: '--media-root',
    env: 'MUSECAST_MEDIA_ROOTS',
    key: 'mediaRoots',
    kind: 'list',
    defaultText: 'working directory and data dir',
    help: 'folder that video_path and audio_path may point into; repeatable (environment: separated by the path delimiter); relative paths resolve against each',
  },
  {
    flag: '--models-dir',
    env: 'MUSECAST_MODELS_DIR',
    key: 'modelsDir',
    defaultText: './models',
    help: 'model files and the converted cache',
  },
  {
    flag: '--workers',
    env: 'MUSECAST_WORKERS',
    key: 'workers',
    defaultText: 'half of the cores, at least 1',
    help: 'media worker processes',
  },
  {
    flag: '--max-sessions',
    env: 'MUSECAST_MAX_SESSIONS',
    key: 'maxSessions',
    defaultText: '8',
    help: 'sessions at once; one more is answered 503',
  },
  {
    flag: '--session-linger',
    env: 'MUSECAST_SESSION_LINGER',
    key: 'sessionLingerS',
    defaultText: '30',
    help: 'seconds that a session lives on after its speech ended and its last viewer left',
  },
  {
    flag: '--log-level',
    env: 'MUSECAST_LOG_LEVEL',
    key: 'logLevel',
    defaultText: 'info',
    help: 'trace, debug, info, warn, error, fatal or silent',
  },
  {
    flag: '--max-upload-mb',
    env: 'MUSECAST_MAX_UPLOAD_MB',
    key: 'maxUploadMb',
    defaultText: '512',
    help: 'largest upload, in MiB',
  },
  {
    flag: '--ffmpeg',
    env: 'FFMPEG_BIN',
    key: 'ffmpegBin',
    defaultText: 'first that works',
    help: 'ffmpeg program to use',
  },
  {
    flag: '--public-host',
    env: 'MUSECAST_PUBLIC_HOSTS',
    key: 'publicHosts',
    kind: 'list',
    defaultText: 'none',
    help: 'address to offer to viewers besides the local ones; repeatable',
  },
  {
    flag: '--ice-port-range',
    env: 'MUSECAST_ICE_PORT_RANGE',
    key: 'icePortRange',
    defaultText: 'any free port',
    help: 'UDP ports for viewers, as LOW-HIGH',
  },
  {
    flag: '--reload',
    env: 'MUSECAST_RELOAD',
    key: 'reload',
    kind: 'switch',
    defaultText: 'off',
    help: 'legacy: restart when a source file changes (npm run dev does that; accepted here)',
  },
  {
    flag: '--gpu_id',
    env: 'MUSECAST_GPU_ID',
    key: 'gpuId',
    defaultText: '0',
    help: 'legacy: GPU of the MuseTalk engine',
  },
  {
    flag: '--unet_model_path',
    env: 'MUSECAST_UNET_MODEL_PATH',
    key: 'unetModelPath',
    defaultText: 'none',
    help: 'legacy: UNet of the MuseTalk engine',
  },
  {
    flag: '--whisper_dir',
    env: 'MUSECAST_WHISPER_DIR',
    key: 'whisperDir',
    defaultText: 'none',
    help: 'legacy: Whisper folder of the MuseTalk engine',
  },
];

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(
      z
        .number()
        .min(min, `must be a whole number from ${min} to ${max}`)
        .max(max, `must be a whole number from ${min} to ${max}`),
    );

const schema = z.object({
  host: z.string().min(1, 'must not be empty').default('0.0.0.0'),
  port: integer(0, 65_535).default(5000),
  dataDir: z.string().min(1, 'must not be empty').default('./data'),
  mediaRoots: z.array(z.string().min(1, 'must not be empty')).default([]),
  modelsDir: z.string().min(1, 'must not be empty').default('./models'),
  workers: integer(1, 64).optional(),
  maxSessions: integer(1, 1000).default(8),
  sessionLingerS: integer(1, 86_400).default(30),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be trace, debug, info, warn, error, fatal or silent',
    })
    .default('info'),
  maxUploadMb: integer(1, 65_536).default(512),
  ffmpegBin: z.string().optional(),
  publicHosts: z.array(z.string().min(1, 'must not be empty')).default([]),
  icePortRange: z
    .string()
    .regex(/^\d+-\d+$/, 'must be LOW-HIGH, for example 40000-45000')
    .transform((text): [number, number] => text.split('-').map(Number) as [number, number])
    .refine(
      ([low, high]) => low >= 1024 && high <= 65_535 && high - low >= 10,
      'must lie in 1024-65535 and hold at least 11 ports',
    )
    .optional(),
  reload: z
    .enum(['true', 'false', '1', '0'], { error: 'must be true or false' })
    .transform((text) => text === 'true' || text === '1')
    .default(false),
  gpuId: integer(0, 63).default(0),
  unetModelPath: z.string().optional(),
  whisperDir: z.string().optional(),
});

export type Config = Omit<z.infer<typeof schema>, 'workers'> & { workers: number };

/** Thrown for a wrong command line; `problems` holds one line each. main prints them and exits with status 2. */
export class ConfigError extends AppError {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super('invalid-argument', problems.join('\n'));
    this.problems = problems;
  }
}

/** @throws ConfigError with every problem found, not only the first. */
export function readConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const problems: string[] = [];
  const given = new Map<string, string | string[]>();
  for (const option of OPTIONS) {
    const value = env[option.env];
    if (value === undefined || value === '') continue;
    given.set(
      option.key,
      option.kind === 'list' ? value.split(path.delimiter).filter((part) => part !== '') : value,
    );
  }
  readFlags(argv, given, problems);
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const option = OPTIONS.find(({ key }) => key === issue.path[0]);
      problems.push(
        `${option?.flag ?? String(issue.path[0])}: ${issue.message}, got ${JSON.stringify(given.get(String(issue.path[0])))}`,
      );
    }
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const dataDir = path.resolve(parsed.data.dataDir);
  const roots = parsed.data.mediaRoots.length > 0 ? parsed.data.mediaRoots : [process.cwd(), dataDir];
  return {
    ...parsed.data,
    dataDir,
    modelsDir: path.resolve(parsed.data.modelsDir),
    mediaRoots: roots.map((root) => path.resolve(root)),
    workers: parsed.data.workers ?? Math.max(1, Math.floor(availableParallelism() / 2)),
  };
}

function readFlags(argv: readonly string[], given: Map<string, string | string[]>, problems: string[]): void {
  const lists = new Map<string, string[]>();
  for (let i = 0; i < argv.length; i += 1) {
    const [flag = '', inline] = splitOnce(argv[i] ?? '', '=');
    const option = OPTIONS.find((candidate) => candidate.flag === flag);
    if (option === undefined) {
      problems.push(`unknown flag ${JSON.stringify(argv[i])}; --help lists the flags`);
      continue;
    }
    if (option.kind === 'switch') {
      given.set(option.key, inline ?? 'true');
      continue;
    }
    const value = inline ?? argv[(i += 1)];
    if (value === undefined || (inline === undefined && value.startsWith('--'))) {
      problems.push(`${flag}: needs a value`);
      if (value !== undefined) i -= 1;
      continue;
    }
    if (option.kind === 'list') lists.set(option.key, [...(lists.get(option.key) ?? []), value]);
    else given.set(option.key, value);
  }
  for (const [key, values] of lists) given.set(key, values);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

export function helpText(): string {
  const rows = OPTIONS.map(
    ({ flag, env, defaultText, help }) =>
      `  ${flag.padEnd(20)} ${help}\n${' '.repeat(23)}default ${defaultText}; environment ${env}`,
  );
  return `Musecast: a prepared face speaks any sound, streamed.\n\nnpm start -- [flags]\n\n${rows.join('\n')}\n`;
}
