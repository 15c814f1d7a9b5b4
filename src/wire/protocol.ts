/**
 * The shape of every frame. All integers are little-endian; every frame's length is a multiple of 8, and every
 * payload starts on a multiple of 8 from the frame's start, so that a tensor's bytes can be viewed in place.
 *
 * ```
 * frame    u32 length of the whole frame | u8 type | u8 flags (0) | u16 count A | body
 * HELLO    count A = protocol version; body: u32 magic | u32 payload length | MessagePack of a Hello
 * CALLS    count A = strings; body: u32 calls | u32 payloads | u32 offset of strings | u32 targets
 *                                   | calls | payload table | u32 targets… | strings | payloads
 * REPLIES  count A = costs;   body: u32 replies | u32 payloads | u32 backlog µs | u32 queued items
 *                                   | u32 offset of costs | u32 busy ‰ | replies | payload table | costs | payloads
 * CANCEL   count A = ids;     body: u32 ids
 * BEGUN    count A = company; body: u32 id
 * WITHDRAW count A = entries; body: entries
 * CHUNKS   count A = 0;       body: u32 chunks | u32 0 | payload table | u32 ids… | payloads
 * CREDIT   count A = grants;  body: grants
 * ```
 */
export const PROTOCOL_VERSION = 4;
export const HELLO_MAGIC = 0x49545554; // "TUTI"

/** Of a hello's payload. */
export const MAX_HELLO_BYTES = 4096;

export const FRAME_HEADER_BYTES = 8;
export const CALLS_HEADER_BYTES = 16;
export const REPLIES_HEADER_BYTES = 24;
/**
 * u32 id | u32 target | u32 remaining µs | u32 payload | u16 method | u16 request | u8 priority | u8 flags | u16 parts
 *
 * With parts above 0 the call fans out: it is one for each of so many targets, from that index of the target table on.
 */
export const CALL_BYTES = 24;
/**
 * u32 id | u32 payload | u32 queue µs | u32 run µs | u16 batch items | u8 status | u8 part | u32 first row | u32 rows
 * | u32 waited µs | u32 lane µs | u8 flags | 3 bytes 0
 */
export const REPLY_BYTES = 40;
/** u32 offset | u32 length | u8 kind | 7 bytes 0 */
export const PAYLOAD_ENTRY_BYTES = 16;
export const CHUNKS_HEADER_BYTES = 8;
/** u32 id | u32 chunks | u32 bytes */
export const GRANT_BYTES = 12;
/** u32 target | f32 fixed µs | f32 µs an item | u32 0 */
export const COST_BYTES = 16;
/** u32 id | u32 target | u8 part | u8 flags | u16 0 */
export const WITHDRAWAL_BYTES = 12;

/** The remaining time of a call without a deadline; also the longest that can be told (about 71 minutes). */
export const NO_DEADLINE_US = 0xffff_ffff;

/** A string's length is a u16. */
export const MAX_STRING_BYTES = 0xffff;
/** Strings are counted in a u16, and a call may bring two of its own. */
export const MAX_CALLS_PER_FRAME = 32_767;

/** Targets of one fan-out call: which of them are open is a set of bits. */
export const MAX_PARTS = 30;

export const FrameType = {
  hello: 1,
  calls: 2,
  replies: 3,
  cancel: 4,
  begun: 5,
  withdraw: 6,
  /** Chunks of streams, each of a call that is answered by one; the call's reply is the stream's end. */
  chunks: 7,
  /** What the reader of a stream has taken, and may therefore be sent once more. */
  credit: 8,
} as const;

/**
 * `lean`: members that ensembles call optional are left out, since the system is overloaded. `takesStream`: the call may
 * be answered by a stream. From `SUSPICION_SHIFT` on, two bits say how much the call is under suspicion (D10).
 */
export const CallFlag = { idempotent: 1, lean: 2, takesStream: 4 } as const;
export const SUSPICION_SHIFT = 6;

/** `abort`: if it has started, nobody wants its result any more. */
export const WithdrawalFlag = { abort: 1 } as const;

/** `rows`: the value is some rows of the payload's tensors, which other replies share. */
export const ReplyStatus = { value: 0, error: 1, rows: 2 } as const;

/** `degraded`: the value was made with less than all that it should be made of. */
export const ReplyFlag = { degraded: 1 } as const;

/** How a payload's bytes are to be read; with `SINGLE_ARGUMENT` they are the only element of an argument list. */
export const PayloadKind = { nothing: 0, structured: 1, tensor: 2, tensorMap: 3, bytes: 4 } as const;
export const SINGLE_ARGUMENT = 0x80;

export interface WireLimits {
  /** A larger frame closes the connection. Default 64 MiB. */
  readonly maxFrameBytes: number;
  /** Nesting of structured values. Default 64. */
  readonly maxDepth: number;
  /** Calls, replies or cancellations in one frame. Default 65,535. */
  readonly maxFrameEntries: number;
}

export const DEFAULT_WIRE_LIMITS: WireLimits = Object.freeze({
  maxFrameBytes: 64 * 1024 * 1024,
  maxDepth: 64,
  maxFrameEntries: 65_535,
});

export const alignUp8 = (bytes: number): number => (bytes + 7) & ~7;
