/**
 * Tells the other side that a DTLS association ends (RFC 5246 section 7.2.1), which the WebRTC library leaves out:
 * without it a browser shows the last picture for many seconds before it notices. Reaches into the library's
 * record layer, described structurally here; if anything is not as expected, nothing is sent.
 */

const ALERT = 21;
const DTLS_1_2 = 0xfefd;
const WARNING_CLOSE_NOTIFY = Buffer.from([1, 0]);

interface RecordLayer {
  readonly sessionType: number;
  readonly dtls: { recordSequenceNumber: number; readonly epoch: number };
  readonly cipher: {
    readonly cipher: {
      encrypt(
        sessionType: number,
        data: Buffer,
        header: { type: number; version: number; epoch: number; sequenceNumber: number },
      ): Buffer;
    };
  };
}

/** The encrypted alert record, or undefined if the association is not in a state to send one. */
export function closeNotifyRecord(socket: unknown): Buffer | undefined {
  try {
    const { dtls, cipher, sessionType } = socket as RecordLayer;
    const { epoch } = dtls;
    if (epoch < 1) return undefined;
    dtls.recordSequenceNumber += 1;
    const sequenceNumber = dtls.recordSequenceNumber;
    const body = cipher.cipher.encrypt(sessionType, WARNING_CLOSE_NOTIFY, {
      type: ALERT,
      version: DTLS_1_2,
      epoch,
      sequenceNumber,
    });
    const head = Buffer.alloc(13);
    head.writeUInt8(ALERT, 0);
    head.writeUInt16BE(DTLS_1_2, 1);
    head.writeUInt16BE(epoch, 3);
    head.writeUIntBE(sequenceNumber, 5, 6);
    head.writeUInt16BE(body.length, 11);
    return Buffer.concat([head, body]);
  } catch {
    return undefined;
  }
}
