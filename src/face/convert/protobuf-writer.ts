/** The wire format of protocol buffers (protobuf.dev/programming-guides/encoding), as far as ONNX files need it. */

/** The fields of a message, one after the other. */
export function message(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A varint; a negative value takes ten bytes, as int32 and int64 do. */
export function intField(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(BigInt(field << 3)), ...varint(BigInt.asUintN(64, BigInt(value)))]);
}

/** A float in four bytes. */
export function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return message(Uint8Array.from(varint(BigInt((field << 3) | 5))), bytes);
}

/** UTF-8 behind its length in bytes. */
export function textField(field: number, text: string): Uint8Array {
  return bytesField(field, new TextEncoder().encode(text));
}

/** Bytes or an embedded message, behind their length. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return message(
    Uint8Array.from([...varint(BigInt((field << 3) | 2)), ...varint(BigInt(bytes.length))]),
    bytes,
  );
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}
