/** Sound that never pauses, so that every silence in it is a fault of the way: a WAV file, 16 kHz mono. */
export function toneWav(seconds: number, frequencyHz = 440): Buffer<ArrayBuffer> {
  const rate = 16_000;
  const samples = Math.round(seconds * rate);
  const wav = Buffer.alloc(44 + 2 * samples);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + 2 * samples, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20); // PCM
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(2 * rate, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * samples, 40);
  for (let i = 0; i < samples; i += 1)
    wav.writeInt16LE(Math.round(10_000 * Math.sin((2 * Math.PI * frequencyHz * i) / rate)), 44 + 2 * i);
  return wav;
}
