import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ToWorker } from '../../../src/worker/protocol.js';
import { HostEars } from '../../../src/worker/host-ears.js';

function arrange() {
  const sent: ToWorker[] = [];
  const told: string[] = [];
  const ears = new HostEars((message) => sent.push(message));
  const open = (name: string) =>
    ears.open({
      onVoice: ([likely]) => told.push(`${name} hears ${likely}`),
      onDeaf: () => told.push(`${name} is deaf`),
    });
  return { ears, open, sent, told };
}

const pcm = new Float32Array(320);

test('each hears its own sound', () => {
  const { ears, open, sent, told } = arrange();
  const [a, b] = [open('a'), open('b')];
  a.push(pcm);
  b.push(pcm);
  const [forA, forB] = sent.map((message) => (message.type === 'listen' ? message.earId : -1));
  ears.receive({ type: 'voice', earId: forB!, likely: Float32Array.of(1) });
  ears.receive({ type: 'voice', earId: forA!, likely: Float32Array.of(0) });
  assert.deepEqual(told, ['b hears 1', 'a hears 0']);
});

test('is told once that it hears no more, and asks for nothing then', () => {
  const { ears, open, sent, told } = arrange();
  const [gone, deaf, closed] = [open('gone'), open('deaf'), open('closed')];
  deaf.push(pcm);
  ears.receive({ type: 'voice', earId: (sent[0] as { earId: number }).earId });
  closed.close();
  ears.lost();
  for (const ear of [gone, deaf, closed]) {
    ear.push(pcm);
    ear.close();
  }
  assert.deepEqual(told, ['deaf is deaf', 'gone is deaf']);
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['listen', 'deafen'],
  );
});
