import type { RecordingFileView, RecordingInfo, RecordingsPort } from '../../signaling/ports.js';
import { AppError } from '../../src/errors.js';

/** A valid id of the nth recording. */
export const recordingId = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Recordings in memory; a test says where their files lie. */
export class FakeRecordings implements RecordingsPort {
  readonly infos = new Map<string, RecordingInfo>();
  readonly asked: { sessionId: string; maxLengthS?: number; maxBytes?: number }[] = [];
  /** Thrown by the next calls. */
  refusal: AppError | undefined;
  webmPath = '/nonexistent.webm';
  /** Undefined: it is being made. */
  mp4Path: string | undefined;

  add(session: string, state: RecordingInfo['state'] = 'recording'): RecordingInfo {
    const id = recordingId(this.infos.size + 1);
    const info: RecordingInfo = {
      ...{ id, session, avatar: 'anna', state, createdAtUnixS: 1_234_567_890, fps: 25 },
      ...{ durationMs: 1200, sizeBytes: 1000 },
    };
    this.infos.set(id, info);
    return info;
  }

  async start(sessionId: string, asked: { maxLengthS?: number; maxBytes?: number }): Promise<RecordingInfo> {
    if (this.refusal) throw this.refusal;
    this.asked.push({ sessionId, ...asked });
    return this.add(sessionId);
  }

  ofSession(sessionId: string): RecordingInfo {
    const found = this.list(sessionId)[0];
    if (found === undefined) throw new AppError('recording-not-found', `${sessionId} has no recording`);
    return found;
  }

  async stop(sessionId: string): Promise<RecordingInfo> {
    const over: RecordingInfo = { ...this.ofSession(sessionId), state: 'finished', reason: 'stopped' };
    this.infos.set(over.id, over);
    return over;
  }

  list(sessionId?: string): RecordingInfo[] {
    return [...this.infos.values()]
      .reverse()
      .filter(({ session }) => sessionId === undefined || session === sessionId);
  }

  get(id: string): RecordingInfo {
    const info = this.infos.get(id);
    if (info === undefined) throw new AppError('recording-not-found', `there is no recording ${id}`);
    return info;
  }

  webm(id: string): RecordingFileView {
    this.get(id);
    return { path: this.webmPath, type: 'video/webm', name: 'a.webm' };
  }

  mp4(id: string): RecordingFileView | undefined {
    if (this.get(id).state === 'recording') throw new AppError('recording-running', `${id} is running`);
    return this.mp4Path === undefined ? undefined : { path: this.mp4Path, type: 'video/mp4', name: 'a.mp4' };
  }

  async delete(id: string): Promise<void> {
    if (this.get(id).state === 'recording') throw new AppError('recording-running', `${id} is running`);
    this.infos.delete(id);
  }
}
