import { isAppError, toAppError } from '../errors.js';
import { createLogger } from '../logger.js';
import { AvatarStore } from '../avatar/store.js';
import { openEngine } from './open-engine.js';
import type { FromWorker, ToWorker, WorkerSettings } from './protocol.js';
import { WorkerEars } from './worker-ears.js';
import { MediaStream } from './media-stream.js';

/** Entry point of a media worker: engine, compositor and encoders of the sessions that the server assigns to it. */

const settings = JSON.parse(process.argv[2] ?? '{}') as WorkerSettings;
const log = createLogger(settings.logLevel, { process: 'worker', pid: process.pid });
const streams = new Map<number, MediaStream>();
/** Streams that were told to close while they were being opened. */
const closedEarly = new Set<number>();
const opening = new Set<number>();

function send(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

const store = new AvatarStore(settings.avatarsDir);
// While the networks load there is nobody to ask: a server that goes away ends the process.
const orphaned = () => process.exit(0);
process.once('disconnect', orphaned);
const { engine, faces } = await openEngine({ ...settings, log }).catch(async (error: unknown) => {
  const { code, message } = toAppError(error);
  await new Promise<void>((told) =>
    process.send ? process.send({ type: 'unusable', code, message }, () => told()) : told(),
  );
  process.exit(1);
});

const ears = new WorkerEars({ engine, send, log });

async function open(message: Extract<ToWorker, { type: 'open' }>): Promise<void> {
  const { streamId } = message;
  opening.add(streamId);
  try {
    const stream = await MediaStream.create({
      ...message,
      store,
      engine,
      ffmpeg: settings.ffmpeg,
      send,
      log,
    });
    if (closedEarly.delete(streamId)) {
      await stream.close();
      send({ type: 'closed', streamId });
      return;
    }
    streams.set(streamId, stream);
    send({
      type: 'opened',
      streamId,
      widthPx: stream.widthPx,
      heightPx: stream.heightPx,
      lookaheadMs: stream.lookaheadMs,
    });
  } catch (error) {
    const { code, message: text } = toAppError(error);
    if (!isAppError(error)) log.error({ err: error }, 'stream could not be opened');
    closedEarly.delete(streamId);
    send({ type: 'open-failed', streamId, code, message: text });
  } finally {
    opening.delete(streamId);
  }
}

let closing: Promise<void> | undefined;
function shutdown(): Promise<void> {
  closing ??= (async () => {
    await Promise.all([...streams.values()].map((stream) => stream.close()));
    await engine.close();
    process.disconnect?.();
  })();
  return closing;
}

function handle(message: ToWorker): void {
  switch (message.type) {
    case 'open':
      void open(message);
      return;
    case 'sound':
      streams.get(message.streamId)?.pushSound(message.pcm);
      return;
    case 'keyframe':
      streams.get(message.streamId)?.requestKeyframe(message.rendition);
      return;
    case 'renditions':
      streams.get(message.streamId)?.setRenditions(message.wanted);
      return;
    case 'jpeg':
      streams.get(message.streamId)?.setJpeg(message.wanted);
      return;
    case 'tune':
      streams.get(message.streamId)?.tune(message.tuning);
      return;
    case 'show':
      streams.get(message.streamId)?.director.show(message.showId, message.avatarId, message.background);
      return;
    case 'act':
      streams.get(message.streamId)?.director.act(message.showId, message.name, message.times);
      return;
    case 'stop-acting':
      streams.get(message.streamId)?.director.stopActing();
      return;
    case 'rate':
      streams.get(message.streamId)?.setRate(message.fps);
      return;
    case 'rehearse':
      streams.get(message.streamId)?.rehearse(message.rehearsalId, message.audioPath);
      return;
    case 'drop-rehearsal':
      streams.get(message.streamId)?.dropRehearsal(message.rehearsalId);
      return;
    case 'cue':
      streams.get(message.streamId)?.cue(message.rehearsalId, message.atMs);
      return;
    case 'cut':
      streams.get(message.streamId)?.cut(message.epoch, message.fromMs);
      return;
    case 'close': {
      if (opening.has(message.streamId)) {
        closedEarly.add(message.streamId);
        return;
      }
      const stream = streams.get(message.streamId);
      streams.delete(message.streamId);
      void (stream?.close() ?? Promise.resolve()).finally(() =>
        send({ type: 'closed', streamId: message.streamId }),
      );
      return;
    }
    case 'listen':
      ears.listen(message.earId, message.pcm);
      return;
    case 'deafen':
      ears.deafen(message.earId);
      return;
    case 'shutdown':
      void shutdown();
      return;
    default:
      message satisfies never;
  }
}

process.on('message', (message) => handle(message as ToWorker));
// An orphan ends by itself: its server is gone and nobody will ever close it.
process.on('disconnect', () => void shutdown().finally(() => process.exit(0)));
process.on('SIGINT', () => {}); // The server tells us to stop; a terminal's Ctrl-C reaches both.
process.on('SIGTERM', () => void shutdown());
process.off('disconnect', orphaned);
send({ type: 'ready', ...(faces === undefined ? {} : { faces }) });
