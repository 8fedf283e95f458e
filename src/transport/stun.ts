import { createHmac, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** STUN messages as ICE uses them (RFC 8489 sections 5, 14, and RFC 8445 section 16.1). Binding is the only method. */

export type StunClass = 'request' | 'indication' | 'success' | 'error';

export interface StunMessage {
  readonly type: StunClass;
  /** 12 bytes; a view of the datagram. */
  readonly transactionId: Buffer;
  readonly username?: string;
  readonly priority?: number;
  readonly useCandidate: boolean;
  /** The sender believes that it controls (true), is controlled (false), or did not say. */
  readonly controlling?: boolean;
  readonly mappedAddress?: { readonly address: string; readonly port: number };
  readonly errorCode?: number;
  /** True if it carries a MESSAGE-INTEGRITY attribute that is right for this password. */
  hasIntegrity(password: string): boolean;
}

export interface StunFields {
  readonly type: StunClass;
  readonly transactionId: Buffer;
  readonly username?: string;
  readonly priority?: number;
  readonly useCandidate?: boolean;
  /** With the tie breaker, 8 bytes. */
  readonly controlling?: { readonly value: boolean; readonly tieBreaker: Buffer };
  /** Written as XOR-MAPPED-ADDRESS. */
  readonly mappedAddress?: { readonly address: string; readonly port: number };
  readonly error?: { readonly code: number; readonly reason: string };
  /** Key of MESSAGE-INTEGRITY; left out for messages to a plain STUN server. */
  readonly password?: string;
}

const COOKIE = 0x2112a442;
const HEADER_BYTES = 20;
const INTEGRITY_BYTES = 20;
const FINGERPRINT_XOR = 0x5354554e;
const METHOD_BINDING = 1;
const CLASS_BITS: Record<StunClass, number> = { request: 0, indication: 0x010, success: 0x100, error: 0x110 };
const ATTRIBUTE = {
  username: 0x0006,
  integrity: 0x0008,
  errorCode: 0x0009,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  fingerprint: 0x8028,
  controlled: 0x8029,
  controlling: 0x802a,
} as const;

/** Undefined for anything that is not a well-formed binding message with, if it has one, a right fingerprint. */
export function readStun(datagram: Buffer): StunMessage | undefined {
  if (datagram.length < HEADER_BYTES || datagram.readUInt32BE(4) !== COOKIE) return undefined;
  const typeBits = datagram.readUInt16BE(0);
  if ((typeBits & 0xc000) !== 0 || (typeBits & ~0x110) !== METHOD_BINDING) return undefined;
  if (datagram.readUInt16BE(2) !== datagram.length - HEADER_BYTES || datagram.length % 4 !== 0)
    return undefined;
  const type = (Object.keys(CLASS_BITS) as StunClass[]).find(
    (name) => CLASS_BITS[name] === (typeBits & 0x110),
  );
  if (type === undefined) return undefined;
  const transactionId = datagram.subarray(8, HEADER_BYTES);
  const found: { -readonly [K in keyof StunMessage]?: StunMessage[K] } = {};
  let integrityAt = -1;
  for (let at = HEADER_BYTES; at < datagram.length;) {
    if (at + 4 > datagram.length) return undefined;
    const name = datagram.readUInt16BE(at);
    const length = datagram.readUInt16BE(at + 2);
    if (at + 4 + length > datagram.length) return undefined;
    const value = datagram.subarray(at + 4, at + 4 + length);
    if (name === ATTRIBUTE.fingerprint) {
      const expected = (crc32(datagram.subarray(0, at)) ^ FINGERPRINT_XOR) >>> 0;
      if (length !== 4 || value.readUInt32BE(0) !== expected) return undefined;
    } else if (integrityAt < 0) {
      // What follows the integrity is not covered by it and is ignored (RFC 8489 section 14.5).
      if (name === ATTRIBUTE.integrity) integrityAt = length === INTEGRITY_BYTES ? at : -1;
      else if (name === ATTRIBUTE.username) found.username = value.toString('utf8');
      else if (name === ATTRIBUTE.priority && length === 4) found.priority = value.readUInt32BE(0);
      else if (name === ATTRIBUTE.useCandidate) found.useCandidate = true;
      else if (name === ATTRIBUTE.controlling) found.controlling = true;
      else if (name === ATTRIBUTE.controlled) found.controlling = false;
      else if (name === ATTRIBUTE.errorCode && length >= 4)
        found.errorCode = (value[2] ?? 0) * 100 + (value[3] ?? 0);
      else if (name === ATTRIBUTE.xorMappedAddress) {
        const mapped = readXorAddress(value, transactionId);
        if (mapped !== undefined) found.mappedAddress = mapped;
      }
    }
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return {
    ...found,
    type,
    transactionId,
    useCandidate: found.useCandidate ?? false,
    hasIntegrity(password) {
      if (integrityAt < 0) return false;
      const mac = integrityOf(datagram.subarray(0, integrityAt), password);
      return timingSafeEqual(mac, datagram.subarray(integrityAt + 4, integrityAt + 4 + INTEGRITY_BYTES));
    },
  };
}

export function writeStun(fields: StunFields): Buffer {
  const parts: Buffer[] = [];
  const add = (name: number, value: Buffer): void => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(name, 0);
    head.writeUInt16BE(value.length, 2);
    parts.push(head, value, Buffer.alloc((4 - (value.length % 4)) % 4));
  };
  if (fields.username !== undefined) add(ATTRIBUTE.username, Buffer.from(fields.username, 'utf8'));
  if (fields.priority !== undefined) add(ATTRIBUTE.priority, uint32(fields.priority));
  if (fields.controlling !== undefined) {
    const { value, tieBreaker } = fields.controlling;
    add(value ? ATTRIBUTE.controlling : ATTRIBUTE.controlled, tieBreaker);
  }
  if (fields.useCandidate === true) add(ATTRIBUTE.useCandidate, Buffer.alloc(0));
  if (fields.error !== undefined) {
    const { code, reason } = fields.error;
    add(
      ATTRIBUTE.errorCode,
      Buffer.concat([Buffer.from([0, 0, Math.floor(code / 100), code % 100]), Buffer.from(reason)]),
    );
  }
  if (fields.mappedAddress !== undefined)
    add(ATTRIBUTE.xorMappedAddress, xorAddress(fields.mappedAddress, fields.transactionId));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(METHOD_BINDING | CLASS_BITS[fields.type], 0);
  header.writeUInt32BE(COOKIE, 4);
  fields.transactionId.copy(header, 8);
  let message = Buffer.concat([header, ...parts]);
  if (fields.password !== undefined) {
    const head = Buffer.from([0, ATTRIBUTE.integrity, 0, INTEGRITY_BYTES]);
    message = Buffer.concat([message, head, integrityOf(message, fields.password)]);
  }
  message.writeUInt16BE(message.length - HEADER_BYTES + 8, 2);
  const head = Buffer.from([ATTRIBUTE.fingerprint >> 8, ATTRIBUTE.fingerprint & 0xff, 0, 4]);
  return Buffer.concat([message, head, uint32((crc32(message) ^ FINGERPRINT_XOR) >>> 0)]);
}

/** HMAC-SHA1 over the message with its length field as if the integrity attribute were the last one. */
function integrityOf(before: Buffer, password: string): Buffer {
  const copy = Buffer.from(before);
  copy.writeUInt16BE(before.length - HEADER_BYTES + 4 + INTEGRITY_BYTES, 2);
  return createHmac('sha1', password).update(copy).digest();
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0, 0);
  return bytes;
}

function xorAddress(mapped: { address: string; port: number }, transactionId: Buffer): Buffer {
  const bytes = addressBytes(mapped.address);
  const value = Buffer.alloc(4 + bytes.length);
  value[1] = bytes.length === 4 ? 1 : 2;
  value.writeUInt16BE(mapped.port ^ (COOKIE >>> 16), 2);
  const mask = Buffer.concat([uint32(COOKIE), transactionId]);
  bytes.forEach((byte, at) => (value[4 + at] = byte ^ (mask[at] ?? 0)));
  return value;
}

function readXorAddress(value: Buffer, transactionId: Buffer): { address: string; port: number } | undefined {
  const size = value[1] === 1 ? 4 : 16;
  if (value.length !== 4 + size) return undefined;
  const mask = Buffer.concat([uint32(COOKIE), transactionId]);
  const bytes = value.subarray(4).map((byte, at) => byte ^ (mask[at] ?? 0));
  const port = value.readUInt16BE(2) ^ (COOKIE >>> 16);
  if (size === 4) return { address: bytes.join('.'), port };
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  return { address: groups.join(':'), port };
}

function addressBytes(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number);
  const [plain = ''] = address.split('%');
  // An IPv4 address in IPv6 notation ends in dotted form; written as two groups it parses like the rest.
  const text = plain.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a: string, b: string, c: string, d: string) =>
      `${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`,
  );
  const [left = '', right] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const all = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return all.flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
