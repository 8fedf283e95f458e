/**
 * Samples at 48 kHz by which libopus' `audio` mode delays sound. A packet made of media samples m, m+1, ... plays
 * as m-312, ..., so its RTP time stamp names media sample m-312 (RFC 7845 section 4.2 calls it pre-skip).
 */
export const OPUS_LOOKAHEAD_SAMPLES = 312;
