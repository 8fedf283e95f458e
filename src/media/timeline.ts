/**
 * The one media clock. Media time is an integer count of 48 kHz samples since the session began; every other
 * unit is derived here and nowhere else, so that rounding happens once and never accumulates.
 */

export const MEDIA_RATE = 48_000;
export const VIDEO_CLOCK_RATE = 90_000;
export const OPUS_CLOCK_RATE = 48_000;
/** Samples in one 20 ms Opus packet at 48 kHz. */
export const OPUS_FRAME_SAMPLES = 960;
/** Samples per second that the engines listen to. */
export const ENGINE_RATE = 16_000;

export function samplesToMs(samples: number): number {
  return samples / (MEDIA_RATE / 1000);
}

export function msToSamples(ms: number): number {
  return Math.round(ms * (MEDIA_RATE / 1000));
}

/** First media sample of video frame `index`; exact for every integer fps that divides 48000, else floored. */
export function frameToSamples(index: number, fps: number): number {
  return Math.floor((index * MEDIA_RATE) / fps);
}

/** Index of the last frame that starts at or before the sample. */
export function samplesToFrame(samples: number, fps: number): number {
  return Math.floor((samples * fps) / MEDIA_RATE);
}

/** RTP ticks (32-bit wrap) of a media time on a clock of `clockRate` Hz, from a random `base`. */
export function rtpTimestamp(samples: number, clockRate: number, base: number): number {
  return (base + Math.round((samples * clockRate) / MEDIA_RATE)) >>> 0;
}

/** Seconds from 1900 to 1970 (RFC 5905 figure 4 to POSIX time). */
const NTP_UNIX_OFFSET_S = 2_208_988_800;

/** 64-bit NTP time of a Unix time in ms: whole seconds in the upper half, a binary fraction in the lower. */
export function ntpTime(unixMs: number): bigint {
  const seconds = unixMs / 1000 + NTP_UNIX_OFFSET_S;
  const whole = Math.floor(seconds);
  const fraction = Math.floor((seconds - whole) * 2 ** 32);
  return (BigInt(whole) << 32n) | BigInt(fraction);
}
