/** DTLS 1.2 records (RFC 6347 section 4.1). */
export interface DtlsRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  /** 48 bits. */
  readonly sequenceNumber: number;
  readonly body: Buffer;
}

export const CONTENT = { alert: 21, handshake: 22 } as const;
export const DTLS_1_2 = 0xfefd;
export const RECORD_HEADER_BYTES = 13;

/** The whole records of a datagram; what is cut off behind them is dropped. */
export function readRecords(datagram: Buffer): DtlsRecord[] {
  const records: DtlsRecord[] = [];
  for (let at = 0; at + RECORD_HEADER_BYTES <= datagram.length;) {
    const end = at + RECORD_HEADER_BYTES + datagram.readUInt16BE(at + 11);
    if (end > datagram.length) break;
    records.push({
      type: datagram.readUInt8(at),
      version: datagram.readUInt16BE(at + 1),
      epoch: datagram.readUInt16BE(at + 3),
      sequenceNumber: datagram.readUIntBE(at + 5, 6),
      body: datagram.subarray(at + RECORD_HEADER_BYTES, end),
    });
    at = end;
  }
  return records;
}

export function writeRecord(record: DtlsRecord): Buffer {
  const head = Buffer.alloc(RECORD_HEADER_BYTES);
  head.writeUInt8(record.type, 0);
  head.writeUInt16BE(record.version, 1);
  head.writeUInt16BE(record.epoch, 3);
  head.writeUIntBE(record.sequenceNumber, 5, 6);
  head.writeUInt16BE(record.body.length, 11);
  return Buffer.concat([head, record.body]);
}
