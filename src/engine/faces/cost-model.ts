import { AppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import { systemClock } from '../../lib/clock.js';
import { DEFAULT_MAX_WAIT_MS } from './face-batcher.js';
import type { FaceGenerator } from './face-family.js';

/** Time for one figure: a run this slow says all there is to say, and no larger batch is tried that would take twice it. */
const SLOW_RUN_MS = 2000;
const RUNS = 3;
/** Hearing may add this much to what the faces of a session cost; it decides how often the encoder runs. */
const HEARING_SHARE = 0.2;
/** The ear's features lie on a grid of 20 ms; more often than 80 ms nobody notices, beyond 400 ms everybody does. */
const HOP_GRID_MS = 20;
const MIN_HOP_MS = 80;
const MAX_HOP_MS = 400;
/** No live batch takes longer while a smaller one will do. */
const LONGEST_LIVE_RUN_MS = 200;
/** Thread hand-over, compositing and timers that are late. */
const MARGIN_MS = 20;

/** What the machine was measured to need. */
export interface FaceCost {
  /** One face drawn alone. */
  readonly singleMs: number;
  /** Faces in the batch that was measured; 1 when the single face was too slow to try. */
  readonly batch: number;
  /** The whole batch, not one face of it. */
  readonly batchMs: number;
  /** One run of the sound encoder. */
  readonly hearMs: number;
}

export type CostMode = 'live' | 'prerendered' | 'unfit';

export interface CostDecision {
  readonly mode: CostMode;
  /** Live sessions at this rate that the machine can feed at once; 0 when it cannot feed one or none may run live. */
  readonly capacity: number;
  /** Faces in a full batch. */
  readonly batch: number;
  /** How long after its last needed sound a picture's face may come: hearing, waiting, drawing, margin. */
  readonly pipelineMs: number;
  /** How much new sound the ear gathers before it hears again. */
  readonly hopMs: number;
  /** Computing time of one second of one session's speech; above 1 it cannot be live. */
  readonly realTimeFactor: number;
  /** One sentence with the figures, for people. */
  readonly reason: string;
}

export interface CostOptions {
  readonly fps: number;
  /** `auto` decides by the figures; the others are taken at their word. */
  readonly mode?: 'auto' | 'live' | 'prerendered';
  /** Share of the device that live sessions may fill together. */
  readonly utilisation?: number;
  /** Beyond this many times real time not even pre-rendering is worth the wait. */
  readonly maxRealTimeFactor?: number;
  readonly maxWaitMs?: number;
}

/**
 * Runs the networks a few times: first to warm up, then for the figures (the fastest of three, since what else the
 * machine did only ever adds). Slow machines are let off after the first run.
 * @param hear one run of the sound encoder
 */
export async function measureFaceCost(options: {
  readonly generator: FaceGenerator;
  hear(): Promise<unknown>;
  /** The largest batch to try. */
  readonly batch: number;
  readonly clock?: Clock;
}): Promise<FaceCost> {
  const { generator, hear, batch, clock = systemClock } = options;
  const timed = async (run: () => Promise<unknown>): Promise<number> => {
    const once = async (): Promise<number> => {
      const startMs = clock.now();
      await run();
      return clock.now() - startMs;
    };
    let bestMs = await once();
    if (bestMs > SLOW_RUN_MS) return bestMs;
    bestMs = Infinity; // the warm-up does not count
    const endMs = clock.now() + SLOW_RUN_MS;
    for (let i = 0; i < RUNS && clock.now() < endMs; i++) bestMs = Math.min(bestMs, await once());
    return bestMs;
  };
  const draw = (count: number): Promise<number> => {
    const inputs = new Float32Array(count * generator.inputValues);
    const features = new Float32Array(count * generator.featureValues);
    return timed(() => generator.generate(inputs, features, count));
  };
  const singleMs = await draw(1);
  const alone = batch === 1 || singleMs * batch > 2 * SLOW_RUN_MS;
  const batchMs = alone ? singleMs : await draw(batch);
  return { singleMs, batch: alone ? 1 : batch, batchMs, hearMs: await timed(hear) };
}

/** What to do with a machine of these figures. Pure. */
export function decideCost(cost: FaceCost, options: CostOptions): CostDecision {
  const { fps, mode: wanted = 'auto', utilisation = 0.8, maxRealTimeFactor = 20 } = options;
  const { maxWaitMs = DEFAULT_MAX_WAIT_MS } = options;
  if (!(fps > 0 && fps <= 100))
    throw new AppError('invalid-argument', `fps must be above 0 and at most 100, got ${fps}`);
  const plans = Array.from({ length: cost.batch }, (_, i) => planOf(cost, i + 1, fps, utilisation));
  // Larger batches serve more, but every picture waits for up to two of them.
  const quick = mostSessions(plans.filter(({ runMs }) => runMs <= LONGEST_LIVE_RUN_MS));
  const best = quick !== undefined && quick.sessions > 0 ? quick : mostSessions(plans)!;
  const mode = wanted !== 'auto' ? wanted : modeOf(best, maxRealTimeFactor);
  const { batch, hopMs, load: realTimeFactor } = best;
  const capacity = mode !== 'live' ? 0 : Math.max(1, best.sessions);
  const pipelineMs = pipelineOf(best, capacity, { fps, maxWaitMs, hearMs: cost.hearMs });
  const decision = { mode, capacity, batch, pipelineMs, hopMs, realTimeFactor };
  return {
    ...decision,
    reason: reasonOf(best, decision, { fps, forced: wanted !== 'auto', utilisation, maxRealTimeFactor }),
  };
}

/** Most sessions first; among equals the smallest batch, which answers soonest. Where none fits: the cheapest. */
function mostSessions(plans: readonly Plan[]): Plan | undefined {
  let best = plans[0];
  for (const plan of plans) {
    if (best === undefined || plan.sessions > best.sessions) best = plan;
    else if (plan.sessions === 0 && plan.load < best.load - 1e-9) best = plan;
  }
  return best;
}

interface Plan {
  readonly batch: number;
  readonly runMs: number;
  readonly hopMs: number;
  /** Share of the device that one session takes. */
  readonly load: number;
  readonly sessions: number;
}

function planOf(cost: FaceCost, batch: number, fps: number, utilisation: number): Plan {
  // Between the two measured sizes the time is taken to grow in a straight line.
  const perMore = cost.batch > 1 ? (cost.batchMs - cost.singleMs) / (cost.batch - 1) : 0;
  const runMs = cost.singleMs + perMore * (batch - 1);
  const faces = (runMs / batch / 1000) * fps;
  const hopMs = Math.min(
    MAX_HOP_MS,
    Math.max(MIN_HOP_MS, Math.ceil(cost.hearMs / (HEARING_SHARE * faces) / HOP_GRID_MS) * HOP_GRID_MS),
  );
  const load = faces + cost.hearMs / hopMs;
  return { batch, runMs, hopMs, load, sessions: Math.floor(utilisation / load + 1e-9) };
}

/**
 * The worst case: every session heard at the same moment and asks for all its new pictures, ours last. Then our first
 * picture waits for the batch that runs, those of the others and its own; our later ones have time.
 */
function pipelineOf(
  { batch, runMs, hopMs }: Plan,
  capacity: number,
  { fps, maxWaitMs, hearMs }: { fps: number; maxWaitMs: number; hearMs: number },
): number {
  const sessions = Math.max(1, capacity);
  const picturesEach = Math.max(1, Math.ceil((hopMs * fps) / 1000));
  const runs = Math.ceil(((sessions - 1) * picturesEach + 1) / batch);
  const waitMs = Math.max(batch === 1 ? 0 : maxWaitMs, runMs);
  return Math.ceil(waitMs + runs * runMs + sessions * hearMs + MARGIN_MS);
}

function modeOf(plan: Plan, maxRealTimeFactor: number): CostMode {
  if (plan.sessions >= 1) return 'live';
  return plan.load <= maxRealTimeFactor ? 'prerendered' : 'unfit';
}

function reasonOf(
  plan: Plan,
  decision: Omit<CostDecision, 'reason'>,
  by: { fps: number; forced: boolean; utilisation: number; maxRealTimeFactor: number },
): string {
  const faceMs = plan.runMs / plan.batch;
  const figures =
    `a face takes ${figure(faceMs)} ms${plan.batch > 1 ? ` in batches of ${plan.batch}` : ''}, ` +
    `which with hearing is ${figure(plan.load)} times real time at ${by.fps} pictures a second`;
  const limit = `${figure(by.utilisation * 100)} % of the device`;
  switch (decision.mode) {
    case 'live':
      if (plan.sessions < 1) return `live as asked for, though ${figures}: pictures will be left out`;
      return `live${by.forced ? ' as asked for' : ''}: ${figures}, so ${decision.capacity} ${decision.capacity === 1 ? 'session fits' : 'sessions fit'} into ${limit}`;
    case 'prerendered':
      if (by.forced) return `pre-rendered as asked for: ${figures}`;
      return `pre-rendered: ${figures}, so not even one session fits into ${limit} and speech is drawn before it plays`;
    case 'unfit':
      return `unfit: ${figures}, beyond the limit of ${figure(by.maxRealTimeFactor)} for pre-rendering; use a GPU, the tiny decoder or the cpu engine`;
  }
}

/** Three significant digits at most below 100, whole numbers above. */
function figure(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
