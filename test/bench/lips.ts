/**
 * How well the CPU engine's lips agree with real ones:
 * `npm run bench:lips -- [FOLDER...] [--noise] [--render [--avatar FILE]...] [--instant] [--models DIR] [--limit N] [--plots DIR] [--json]`.
 * Every folder of talking clips is a set, reported apart. `--noise` feeds the mouth with sounds that nobody speaks.
 * `--instant` takes the variant without lookahead. `--render` draws known curves and speech onto faces (five of the shared media unless named) and tracks them again. The last line of `--json` is one JSON object.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findFfmpeg, type Ffmpeg } from '../../src/adapters/ffmpeg.js';
import { loadMouthBasis } from '../../src/engine/cpu/cpu-engine.js';
import { MouthModel } from '../../src/engine/cpu/mouth-model.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { Scope } from '../../src/lib/scope.js';
import { silentLog } from '../../src/lib/log.js';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { sharedFile } from '../helpers/media.js';
import { BaseMeshTracker } from './lips/base-mesh.js';
import { scoreClip, type ClipScores } from './lips/clip-scores.js';
import { findSets, type Clip } from './lips/clips.js';
import { drawClip } from './lips/draw-clip.js';
import { readSound } from './lips/film.js';
import { flutterReport, measureFlutter } from './lips/flutter.js';
import { alignPhones } from './lips/phones.js';
import { Prediction } from './lips/prediction.js';
import { renderReport } from './lips/render-report.js';
import { scoreRender, type RenderScores } from './lips/render-scores.js';
import { setReport } from './lips/report.js';
import { scoreSet } from './lips/set-scores.js';
import { NOT_INSTALLED, sphinxIsInstalled } from './lips/sphinx.js';
import { trackTruth } from './lips/truth.js';

/** Without --avatar: a drawing, a smile, a photo, two talkers (the second wears glasses). */
const AVATARS = [
  'video/yongen.mp4',
  'video/sun.mp4',
  'portraits/man.png',
  'talking/talk-c.mp4',
  'talking/talk-d.mp4',
];
const DEMO_SPEECH = 'web/public/demo/speech.wav';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: 'string', default: 'models' },
    limit: { type: 'string', default: 'Infinity' },
    plots: { type: 'string' },
    render: { type: 'boolean', default: false },
    avatar: { type: 'string', multiple: true },
    instant: { type: 'boolean', default: false },
    noise: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const say = (text: string) => process.stdout.write(`${text}\n`);
function refuse(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(2);
}
const { plots } = values;
const timing = values.instant ? 'instant' : 'sure';
const limit = Number(values.limit);
if (!(limit >= 1)) refuse('--limit takes a number of clips');
if (positionals.length === 0 && !values.noise && !values.render)
  refuse('name a folder of talking clips, or --noise or --render');
if (plots !== undefined && positionals.length > 0 && chromiumPath() === undefined)
  refuse('--plots needs Chromium (Debian: apt-get install chromium)');

const scope = new Scope();
try {
  if (plots !== undefined) await mkdir(plots, { recursive: true });
  const ffmpeg = await findFfmpeg({ log: silentLog });
  const model = await MouthModel.load(path.resolve(values.models));
  scope.defer(() => model.close());
  const facePaths = await ensureFaceModels(path.resolve('models'), silentLog);
  const tracker = await FaceTracker.create(facePaths);
  scope.defer(() => tracker.close());

  const sets = [];
  for (const { name, clips } of await findSets(positionals, limit)) {
    const scored = await scoreClips(clips, { ffmpeg, tracker, model });
    const means = scoreSet(scored);
    say(setReport(name, scored, means));
    sets.push({ set: name, means, clips: scored });
  }
  const flutter = values.noise ? await measureFlutter(model, await readSound(ffmpeg, DEMO_SPEECH)) : [];
  if (values.noise) say(flutterReport(flutter));
  const renders = values.render ? await scoreFaces({ ffmpeg, tracker, model }, facePaths.detectorPath) : [];
  if (values.render) say(renderReport(renders));
  if (values.json) say(JSON.stringify({ bench: 'lips', timing, sets, flutter, renders }));
} finally {
  await scope.close();
}

interface Tools {
  readonly ffmpeg: Ffmpeg;
  readonly tracker: FaceTracker;
  readonly model: MouthModel;
}

async function scoreClips(clips: readonly Clip[], { ffmpeg, tracker, model }: Tools): Promise<ClipScores[]> {
  const hasSphinx = sphinxIsInstalled();
  if (!hasSphinx) say(`own offset and p b m not measured: ${NOT_INSTALLED}`);
  const browser = plots === undefined ? undefined : await openBrowser();
  const all: ClipScores[] = [];
  try {
    for (const clip of clips) {
      const pcm = await readSound(ffmpeg, clip.file);
      const truth = await trackTruth(ffmpeg, tracker, clip.file);
      const prediction = await Prediction.of(model, pcm, timing);
      const phones = hasSphinx ? await alignPhones(clip.file, pcm) : undefined;
      const scores = scoreClip(clip, truth, prediction, phones);
      all.push(scores);
      if (browser !== undefined && plots !== undefined)
        await drawClip(browser, plots, { scores, truth, prediction, phones });
    }
  } finally {
    await browser?.close();
  }
  return all;
}

async function scoreFaces({ ffmpeg, tracker, model }: Tools, detectorPath: string): Promise<RenderScores[]> {
  const faces = values.avatar ?? AVATARS.flatMap((name) => sharedFile(name) ?? []);
  if (faces.length === 0) refuse('name faces with --avatar: the shared media are absent');
  const sound = await readSound(ffmpeg, sharedFile('audio/eng.wav') ?? DEMO_SPEECH);
  const { shapes: speech } = await Prediction.of(model, sound);
  const basis = await loadMouthBasis(path.resolve('models'));
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-bench-'));
  const judge = await BaseMeshTracker.create(detectorPath);
  const all: RenderScores[] = [];
  try {
    for (const file of faces)
      all.push(await scoreRender(file, { ffmpeg, tracker, judge, basis, speech, folder, plots }));
  } finally {
    await judge.close();
    await rm(folder, { recursive: true, force: true });
  }
  return all;
}
