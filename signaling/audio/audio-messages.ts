import { z } from 'zod';
import { liveRateSchema, speechModeSchema } from '../schemas.js';

/**
 * What a sender of live sound says on its WebSocket besides sound: our own words, and those of LiveAvatar's LITE mode in
 * the two spellings that are about (`agent.keepalive` and `session.keep_alive`).
 */

const eventId = z.string().min(1).max(128);

export const audioMessageSchema = z.discriminatedUnion('type', [
  /** First of all: how the binary messages that follow are to be read. */
  z.object({
    type: z.literal('start'),
    sampleRate: liveRateSchema,
    channels: z.literal(1).optional(),
    format: z.literal('pcm16le').optional(),
    /** `speak`: the avatar says it. `listen`: it is what the avatar's partner says, and interrupts it. */
    role: z.enum(['speak', 'listen']).default('speak'),
    mode: speechModeSchema.default('append'),
    /** Silence that ends an utterance, ms; null: only `end` does. */
    endAfterMs: z.number().int().min(200).max(10_000).nullable().default(800),
    bargeIn: z.boolean().default(true),
    /** What counts as a voice besides being loud: what sounds like one, or anything. */
    detector: z.enum(['voice', 'energy']).default('voice'),
    thresholdDbfs: z.number().min(-70).max(0).optional(),
    minVoiceMs: z.number().int().min(20).max(2000).optional(),
  }),
  z.object({ type: z.literal('end') }),
  z.object({ type: z.enum(['interrupt', 'agent.interrupt']), event_id: eventId.optional() }),
  z.object({ type: z.literal('resume') }),
  z.object({ type: z.literal('agent.speak'), event_id: eventId.optional(), audio: z.string() }),
  z.object({ type: z.literal('agent.speak_end'), event_id: eventId.optional() }),
  z.object({ type: z.enum(['agent.start_listening', 'agent.stop_listening']), event_id: eventId.optional() }),
  z.object({
    type: z.enum(['keep-alive', 'agent.keepalive', 'session.keep_alive']),
    event_id: eventId.optional(),
  }),
]);

export type AudioMessage = z.infer<typeof audioMessageSchema>;

/** A message from its text; a sentence where it is none. Never throws. */
export function parseAudioMessage(text: string): AudioMessage | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'the message is not JSON; sound goes in binary messages, or as base64 in agent.speak';
  }
  const parsed = audioMessageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'not understood'}`;
}

/** Sound out of base64; undefined where it is none (Buffer itself overlooks what does not belong there). */
export function soundOf(base64: string): Uint8Array | undefined {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)
    ? Buffer.from(base64, 'base64')
    : undefined;
}
