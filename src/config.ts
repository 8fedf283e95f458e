import { statSync } from 'node:fs';
import path from 'node:path';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { OPTIONS } from './config-options.js';
import { AppError } from './errors.js';

/**
 * Configuration: flag > environment variable > default, one schema. This file alone reads argv and the environment
 * (through the arguments of `readConfig`). The options themselves are listed in config-options.ts.
 */

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(
      z
        .number()
        .min(min, `must be a whole number from ${min} to ${max}`)
        .max(max, `must be a whole number from ${min} to ${max}`),
    );

const toggle = (byDefault: boolean) =>
  z
    .enum(['true', 'false', '1', '0'], { error: 'must be true or false' })
    .transform((given) => given === 'true' || given === '1')
    .default(byDefault);

const text = z.string().min(1, 'must not be empty');
const oneOf = (names: string) => ({ error: `must be ${names}` });

/** What RFC 6750 lets a bearer token be made of; shorter ones could be guessed. */
const token = z.string().regex(/^[A-Za-z0-9._~+/-]{8,}=*$/, 'must be at least 8 of A-Z a-z 0-9 . _ ~ + / -');

const schema = z
  .object({
    host: z.string().min(1, 'must not be empty').default('0.0.0.0'),
    port: integer(0, 65_535).default(5000),
    dataDir: z.string().min(1, 'must not be empty').default('./data'),
    mediaRoots: z.array(z.string().min(1, 'must not be empty')).default([]),
    modelsDir: z.string().min(1, 'must not be empty').default('./models'),
    workers: integer(1, 64).optional(),
    senders: integer(0, 64).default(0),
    maxSessions: integer(1, 1000).default(8),
    maxViewers: integer(1, 10_000).default(300),
    sessionLingerS: integer(1, 86_400).default(30),
    sessionIdleTimeoutS: integer(0, 86_400).default(0),
    sessionMaxLengthS: integer(0, 604_800).default(0),
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
      .regex(/^\d{1,5}(-\d{1,5})?$/, 'must be a port or LOW-HIGH, for example 40000 or 40000-40010')
      .transform((text): [number, number] => {
        const [low = '', high = low] = text.split('-');
        return [Number(low), Number(high)];
      })
      .refine(
        ([low, high]) => low >= 1 && high <= 65_535 && high >= low,
        'must lie in 1-65535, lower end first',
      )
      .optional(),
    iceTcp: toggle(true),
    iceLite: toggle(false),
    iceServers: z
      .array(
        z
          .string()
          .regex(
            /^(stuns?:[^\s?<>",]+|turns?:[^\s?<>",]+(\?transport=(udp|tcp))?)$/,
            'must be stun:HOST:PORT, turn:HOST:PORT?transport=udp or turns:HOST:PORT',
          ),
      )
      .default([]),
    turnSecret: text.optional(),
    turnTtlS: integer(60, 2_592_000).default(86_400),
    turnUsername: text.optional(),
    turnCredential: text.optional(),
    authTokens: z.array(token).default([]),
    viewerTokens: z.array(token).default([]),
    whepLenient: toggle(false),
    whepRedirect: z
      .string()
      .refine(
        (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
        'must be an http(s) URL',
      )
      .optional(),
    reload: toggle(false),
    engine: z
      .enum(['auto', 'cpu', 'musetalk', 'wav2lip'], oneOf('auto, cpu, musetalk or wav2lip'))
      .default('auto'),
    lipTiming: z.enum(['sure', 'instant'], oneOf('sure or instant')).default('sure'),
    engineMode: z.enum(['auto', 'live', 'prerendered'], oneOf('auto, live or prerendered')).default('auto'),
    musetalkDir: text.optional(),
    wav2lipModel: text.optional(),
    wav2lipOrder: z.enum(['bgr', 'rgb'], oneOf('bgr or rgb')).default('bgr'),
    onnxProvider: z.enum(['auto', 'cpu', 'cuda'], oneOf('auto, cpu or cuda')).default('auto'),
    onnxThreads: integer(1, 256).optional(),
    gpuId: integer(0, 63).default(0),
    unetModelPath: text.optional(),
    whisperDir: text.optional(),
    vaeType: z.enum(['sd-vae', 'taesd'], oneOf('sd-vae or taesd')).default('sd-vae'),
    vaeOverrides: z
      .array(
        z
          .string()
          .regex(
            /^(encoderScaling=(inside|outside)|decoderScaling=(inside|outside|none)|(en|de)coderOrder=(rgb|bgr)|probe=off)$/,
            'must be NAME=VALUE as --help lists them',
          ),
      )
      .default([]),
    version: z.enum(['v1', 'v15'], oneOf('v1 or v15')).default('v15'),
    bboxShift: integer(-100, 100).default(0),
    extraMargin: integer(0, 200).default(10),
    parsingMode: z.enum(['jaw', 'raw', 'neck'], oneOf('jaw, raw or neck')).default('jaw'),
    leftCheekWidth: integer(0, 256).default(90),
    rightCheekWidth: integer(0, 256).default(90),
    boxSmoothing: toggle(true),
    audioPaddingLeft: integer(0, 10).default(2),
    audioPaddingRight: integer(0, 10).default(2),
    referenceWindows: toggle(false),
    batchSize: integer(1, 64).default(4),
    fps: integer(5, 60).default(25),
    resultDir: text.optional(),
    ffmpegPath: text.optional(),
    unetConfig: z.string().optional(),
    inferenceConfig: z.string().optional(),
    outputVidName: z.string().optional(),
    useSavedCoord: toggle(false),
    savedCoord: toggle(false),
    skipSaveImages: toggle(false),
  })
  .refine(({ audioPaddingLeft, audioPaddingRight }) => audioPaddingLeft + audioPaddingRight === 4, {
    path: ['audioPaddingLeft'],
    message: 'must be 4 together with --audio_padding_length_right: the UNet hears ten rows of sound',
  })
  .refine(
    ({ senders, icePortRange: [low, high] = [1, 65_535] }) => senders === 0 || senders < high - low + 1,
    {
      path: ['senders'],
      message: 'needs an --ice-port-range with a port for each thread and one for microphones',
    },
  )
  .refine(
    ({ iceServers, turnSecret, turnUsername }) =>
      turnSecret !== undefined ||
      turnUsername !== undefined ||
      !iceServers.some((url) => url.startsWith('turn')),
    {
      path: ['iceServers'],
      message: 'a TURN server needs --turn-secret, or --turn-username and --turn-credential',
    },
  )
  .refine(
    ({ turnUsername, turnCredential }) => (turnUsername === undefined) === (turnCredential === undefined),
    {
      path: ['turnUsername'],
      message: 'goes together with --turn-credential',
    },
  )
  .refine(({ authTokens, viewerTokens }) => viewerTokens.length === 0 || authTokens.length > 0, {
    path: ['viewerTokens'],
    message: 'needs an --auth-token besides',
  });

type Parsed = z.infer<typeof schema>;
export type Config = Omit<
  Parsed,
  'workers' | 'musetalkDir' | 'wav2lipModel' | 'onnxThreads' | 'resultDir'
> & {
  workers: number;
  musetalkDir: string;
  wav2lipModel: string;
  onnxThreads: number;
  resultDir: string;
};

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
      option.kind === 'list'
        ? value.split(option.separator ?? path.delimiter).filter((part) => part !== '')
        : value,
    );
  }
  readFlags(argv, given, problems);
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const option = OPTIONS.find(({ key }) => key === issue.path[0]);
      const got = option?.secret ? 'something else' : JSON.stringify(given.get(String(issue.path[0])));
      problems.push(`${option?.flag ?? String(issue.path[0])}: ${issue.message}, got ${got}`);
    }
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const dataDir = path.resolve(parsed.data.dataDir);
  const roots = parsed.data.mediaRoots.length > 0 ? parsed.data.mediaRoots : [process.cwd(), dataDir];
  const modelsDir = path.resolve(parsed.data.modelsDir);
  return {
    ...parsed.data,
    dataDir,
    modelsDir,
    ...ffmpegOf(parsed.data),
    musetalkDir: path.resolve(parsed.data.musetalkDir ?? path.join(modelsDir, 'musetalk')),
    wav2lipModel: path.resolve(parsed.data.wav2lipModel ?? path.join(modelsDir, 'wav2lip', 'wav2lip.onnx')),
    onnxThreads: parsed.data.onnxThreads ?? availableParallelism(),
    resultDir: path.resolve(parsed.data.resultDir ?? path.join(dataDir, 'results')),
    mediaRoots: roots.map((root) => path.resolve(root)),
    workers: parsed.data.workers ?? Math.max(1, Math.floor(availableParallelism() / 2)),
  };
}

/** The reference's --ffmpeg_path names a folder; --ffmpeg, a program, wins over it. */
function ffmpegOf({ ffmpegBin, ffmpegPath }: Parsed): { ffmpegBin?: string } {
  if (ffmpegBin !== undefined || ffmpegPath === undefined) return {};
  const isFolder = statSync(ffmpegPath, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return { ffmpegBin: isFolder ? path.join(ffmpegPath, 'ffmpeg') : ffmpegPath };
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
