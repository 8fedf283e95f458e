/**
 * The closed list of things that go wrong. Codes are stable: clients, logs and tests match on them, and
 * `signaling/problem.ts` gives each one its HTTP status. Cancelling is not an error and has no code here.
 */
export type ErrorCode =
  | 'invalid-argument' // a value that the caller gave does not validate
  | 'path-outside-roots' // a path that leaves the configured media roots
  | 'file-not-found'
  | 'not-a-file' // a directory, a socket, ...
  | 'media-undecodable' // ffmpeg cannot read it, or it holds no usable stream
  | 'media-too-large'
  | 'no-face' // a picture or video in which no face was found
  | 'avatar-not-found'
  | 'avatar-exists'
  | 'avatar-not-ready'
  | 'avatar-in-use'
  | 'action-not-found' // an avatar has no such action, or a session plays none
  | 'session-not-found'
  | 'session-closed'
  | 'superseded' // a newer request of the same kind took its place
  | 'peer-not-found'
  | 'sender-exists' // a session has one sender of live sound of each kind
  | 'utterance-not-found'
  | 'utterance-closed' // it takes no more sound, or cannot go on
  | 'recording-not-found'
  | 'recording-exists' // a session has one recording at a time
  | 'recording-running' // it has to be stopped first
  | 'storage-full' // no room on the disk, or in what recordings may take of it
  | 'sdp-invalid'
  | 'sdp-unsupported'
  | 'no-capacity' // worth a retry later
  | 'model-invalid' // a model file with wrong checksum, names or shapes
  | 'ffmpeg-missing'
  | 'ffmpeg-failed'
  | 'service-failed' // a speech or chat service that was asked over HTTP
  | 'timeout'
  | 'worker-died'
  | 'not-supported'
  | 'internal';

/** The one error class. `message` says what happened, to which id, with which value. */
export class AppError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'AppError';
    this.code = code;
  }
}

export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** Any thrown value as an AppError; foreign errors become `internal` with the original as `cause`. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError('internal', error instanceof Error ? error.message : String(error), { cause: error });
}
