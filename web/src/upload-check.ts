/** Decides, before an upload, whether a video should first be made smaller in the browser. */

export const MAX_SECONDS = 60;
export const MAX_BYTES = 100 * 1024 * 1024;
const VIDEO_NAME = /\.(mp4|m4v|mov|qt|webm|mkv|avi|3gp|3g2|mpe?g|ts|mts|wmv|flv|ogv|hevc)$/i;

export interface VideoFacts {
  sizeBytes: number;
  /** Undefined where the browser cannot play the file. */
  durationS: number | undefined;
  playable: boolean;
  /** A QuickTime file, or HEVC in any: what phones record, and what many decoders lack. */
  phoneCodec: boolean;
}

/** Why the video should be made smaller, as a sentence; undefined where it can go as it is. */
export function reasonToShrink(facts: VideoFacts, maxSeconds = MAX_SECONDS): string | undefined {
  if (facts.durationS !== undefined && facts.durationS > maxSeconds) {
    return `The video is ${Math.round(facts.durationS)} s long; the first ${MAX_SECONDS} s are enough.`;
  }
  if (facts.sizeBytes > MAX_BYTES) return `The video has ${Math.round(facts.sizeBytes / 1e6)} MB.`;
  if (facts.phoneCodec) return 'The video is in the format of a phone camera.';
  if (!facts.playable) return 'This browser cannot play the video.';
  return undefined;
}

export const isVideo = (file: File): boolean => file.type.startsWith('video/') || VIDEO_NAME.test(file.name);

export async function inspectVideo(file: File): Promise<VideoFacts> {
  const [metadata, hevc] = await Promise.all([readMetadata(file), mentionsHevc(file)]);
  const quicktime = file.type === 'video/quicktime' || /\.(mov|qt)$/i.test(file.name);
  return { sizeBytes: file.size, ...metadata, phoneCodec: quicktime || hevc };
}

function readMetadata(file: File): Promise<{ durationS: number | undefined; playable: boolean }> {
  return new Promise((resolve) => {
    const video = document.createElement('video');
    const url = URL.createObjectURL(file);
    const done = (playable: boolean): void => {
      clearTimeout(timer);
      const durationS = playable && Number.isFinite(video.duration) ? video.duration : undefined;
      video.removeAttribute('src');
      URL.revokeObjectURL(url);
      resolve({ durationS, playable });
    };
    const timer = setTimeout(() => done(false), 5000);
    video.preload = 'metadata';
    video.muted = true;
    // A width of 0: the sound of the file plays, but not its picture.
    video.onloadeddata = video.onloadedmetadata = () => done(video.videoWidth > 0);
    video.onerror = () => done(false);
    video.src = url;
  });
}

/** The sample entry's four letters stand in the index of an MP4, which is at the start or at the end of the file. */
async function mentionsHevc(file: File): Promise<boolean> {
  const edge = 1 << 20;
  const parts = file.size <= 2 * edge ? [file] : [file.slice(0, edge), file.slice(-edge)];
  for (const part of parts) {
    const text = new TextDecoder('latin1').decode(await part.arrayBuffer());
    if (!text.slice(0, 64).includes('ftyp') && part !== parts.at(-1)) return false;
    if (/hvc1|hev1|dvh1|dvhe/.test(text)) return true;
  }
  return false;
}
