import { CONTENT, DTLS_1_2, writeRecord, type DtlsRecord } from './dtls-record.js';

/**
 * Stands before the DTLS library, which takes handshake messages as they come: in any order, again and again, the last
 * one counting for the keys and the first one for the signature. Here they are put together from their fragments and
 * handed on once each, in the order of a handshake with a client certificate (RFC 5246 section 7.3, RFC 6347 section
 * 4.2.4): so what the viewer signed is what the keys were made of, and lost or overtaking datagrams do no harm.
 */

const CLIENT_HELLO = 1;
/** By message number: hello, hello with cookie, certificate, key exchange, certificate verify. */
const TYPES = [CLIENT_HELLO, CLIENT_HELLO, 11, 16, 15];
const HEADER_BYTES = 12;
const MAX_MESSAGE_BYTES = 16_384;

interface Message {
  readonly type: number;
  readonly data: Buffer;
  /** 1 for each byte that came. */
  readonly filled: Uint8Array;
}

export class HandshakeOrder {
  readonly #deliver: (record: Buffer) => void;
  readonly #waiting = new Map<number, Message>();
  #next = 0;
  /** The second hello as it was handed on; the same again asks for a repeat of our flight. */
  #hello: Buffer | undefined;
  /** Of the encrypted last message, which nothing can be done with before the others are there. */
  #finished: Buffer | undefined;

  /** `deliver` gets one record with one whole message at a time. */
  constructor(deliver: (record: Buffer) => void) {
    this.#deliver = deliver;
  }

  take(record: DtlsRecord): void {
    if (record.type !== CONTENT.handshake) return;
    if (record.epoch === 0) {
      this.#takePlain(record.body);
      this.#advance();
    } else if (record.epoch === 1) this.#finished = writeRecord(record);
    if (this.#next < TYPES.length || this.#finished === undefined) return;
    const finished = this.#finished;
    this.#finished = undefined;
    this.#deliver(finished);
  }

  #takePlain(body: Buffer): void {
    for (let at = 0; at + HEADER_BYTES <= body.length;) {
      const type = body.readUInt8(at);
      const size = body.readUIntBE(at + 1, 3);
      const number = body.readUInt16BE(at + 4);
      const offset = body.readUIntBE(at + 6, 3);
      const end = at + HEADER_BYTES + body.readUIntBE(at + 9, 3);
      const part = body.subarray(at + HEADER_BYTES, end);
      if (end > body.length || offset + part.length > size || size > MAX_MESSAGE_BYTES) return;
      if (TYPES[number] === type) this.#takePart(type, number, size, offset, part);
      at = end;
    }
  }

  #takePart(type: number, number: number, size: number, offset: number, part: Buffer): void {
    const again = type === CLIENT_HELLO && number === this.#next - 1;
    if (number < this.#next && !again) return;
    let message = this.#waiting.get(number);
    if (message?.data.length !== size) {
      message = { type, data: Buffer.alloc(size), filled: new Uint8Array(size) };
      this.#waiting.set(number, message);
    }
    part.copy(message.data, offset);
    message.filled.fill(1, offset, offset + part.length);
    if (!again || message.filled.includes(0)) return;
    this.#waiting.delete(number);
    // A first hello may come anew while nothing depends on it; the second one is part of what is signed.
    if (number === 0 || this.#hello?.equals(message.data) === true) this.#handOn(number, message);
  }

  #advance(): void {
    for (;;) {
      const message = this.#waiting.get(this.#next);
      if (message === undefined || message.filled.includes(0)) return;
      this.#waiting.delete(this.#next);
      if (this.#next === 1) this.#hello = message.data;
      this.#handOn(this.#next, message);
      this.#next += 1;
    }
  }

  #handOn(number: number, { type, data }: Message): void {
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt8(type, 0);
    head.writeUIntBE(data.length, 1, 3);
    head.writeUInt16BE(number, 4);
    head.writeUIntBE(data.length, 9, 3);
    const body = Buffer.concat([head, data]);
    this.#deliver(
      writeRecord({ type: CONTENT.handshake, version: DTLS_1_2, epoch: 0, sequenceNumber: 0, body }),
    );
  }
}
