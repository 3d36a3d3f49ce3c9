/**
 * Messages to bytes and back: plain msgpack in both directions, nothing of msgpackr's own extensions.
 *
 * Cost: large `sizes` and `data` are appended to the encoded map as parts of their own, by reference, so a page is
 * never copied on its way through the Queen. That works because they are written as the last entries of a map whose
 * one-byte header is then raised by their number.
 */
import { Packr, RESERVE_START_SPACE, Unpackr } from 'msgpackr';
import { ProtocolError, UsageError } from './errors.ts';
import { FRAME_HEADER_BYTES, writeU32 } from './frame.ts';
import { LIMITS } from './limits.ts';
import { MESSAGES, type Message, type MessageType } from './messages.ts';
import { msgpackProblem } from './plain-msgpack.ts';

// A peer names the entries of plain maps, and `toJSON` may be one of them: without `useToJSON: false` it would be called.
const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  moreTypes: false,
  useToJSON: false,
  // biome-ignore lint/suspicious/noExplicitAny: the option is missing from msgpackr's types
  ...({ skipValues: [undefined] } as any),
});
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** Byte strings from this size on are sent by reference instead of being copied into the frame. */
const BY_REFERENCE_BYTES = 4096;
const FIXMAP = 0x80;
const FIXMAP_ENTRIES_MAX = 15;
const KEY_SIZES = Uint8Array.of(0xa5, 0x73, 0x69, 0x7a, 0x65, 0x73);
const KEY_DATA = Uint8Array.of(0xa4, 0x64, 0x61, 0x74, 0x61);
/** bin32 header: 0xc6 and a u32. */
const BIN_HEADER_BYTES = 5;

/**
 * Encodes a message as one frame, header included, and adds its parts to `parts`. Returns the frame's bytes.
 * `data` and `sizes` are kept by reference: nobody may write to them until the frame has left.
 * @throws UsageError if the frame is larger than any reader accepts; nothing is added to `parts` then
 */
export function encodeParts(message: Message, parts: Uint8Array[]): number {
  const { data, sizes } = message as { data?: unknown; sizes?: unknown };
  const bigData = data instanceof Uint8Array && data.length >= BY_REFERENCE_BYTES ? data : null;
  const bigSizes = sizes instanceof Uint8Array && sizes.length >= BY_REFERENCE_BYTES ? sizes : null;
  if (bigData === null && bigSizes === null) {
    const frame = pack(message);
    refuseLarge(message, frame.length);
    writeU32(frame, 0, frame.length - FRAME_HEADER_BYTES);
    parts.push(frame);
    return frame.length;
  }
  const small: Record<string, unknown> = { ...message };
  if (bigData !== null) delete small['data'];
  if (bigSizes !== null) delete small['sizes'];
  const head = pack(small);
  const entries = head[FRAME_HEADER_BYTES]! - FIXMAP;
  const added = (bigData === null ? 0 : 1) + (bigSizes === null ? 0 : 1);
  if (entries + added > FIXMAP_ENTRIES_MAX) throw new RangeError(`${message.type} has too many fields`);
  head[FRAME_HEADER_BYTES] = FIXMAP + entries + added;
  let total = head.length;
  if (bigSizes !== null) total += KEY_SIZES.length + BIN_HEADER_BYTES + bigSizes.length;
  if (bigData !== null) total += KEY_DATA.length + BIN_HEADER_BYTES + bigData.length;
  refuseLarge(message, total);
  writeU32(head, 0, total - FRAME_HEADER_BYTES);
  parts.push(head);
  if (bigSizes !== null) parts.push(binHeader(KEY_SIZES, bigSizes.length), bigSizes);
  if (bigData !== null) parts.push(binHeader(KEY_DATA, bigData.length), bigData);
  return total;
}

/** Encodes a message as one frame in one piece, header included. */
export function encode(message: Message): Uint8Array {
  const parts: Uint8Array[] = [];
  const total = encodeParts(message, parts);
  if (parts.length === 1) return parts[0]!;
  const frame = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/**
 * Decodes and checks the body of one frame. Byte strings in the message are views of `body`.
 * @throws ProtocolError if it is not a message that this version knows
 */
export function decode(body: Uint8Array): Message {
  const notPlain = msgpackProblem(body, false);
  if (notPlain !== null) throw new ProtocolError(`a frame that is not plain msgpack: ${notPlain}`);
  const value: unknown = unpackr.unpack(body);
  const type = (value as { type?: unknown }).type;
  if (typeof type !== 'string') throw new ProtocolError('a frame without a type');
  const rule = Object.hasOwn(MESSAGES, type) ? MESSAGES[type as MessageType] : undefined;
  if (rule === undefined) throw new ProtocolError(`an unknown message ${JSON.stringify(type.slice(0, 40))}`);
  const wrong = rule.problem(value);
  if (wrong !== null) {
    const code = wrong.startsWith('.magic') ? 'badMagic' : 'protocolError';
    throw new ProtocolError(`${type}${wrong.startsWith('.') ? '' : ' '}${wrong}`, code);
  }
  return value as Message;
}

function refuseLarge(message: Message, frameBytes: number): void {
  const bytes = frameBytes - FRAME_HEADER_BYTES;
  if (bytes <= LIMITS.frameBytesMax) return;
  throw new UsageError(
    `This ${message.type} is too large: ${bytes} bytes, and a message has at most ${LIMITS.frameBytesMax}.`,
    'tooLarge',
  );
}

function pack(value: object): Uint8Array {
  return packr.pack(value, RESERVE_START_SPACE + FRAME_HEADER_BYTES);
}

function binHeader(key: Uint8Array, length: number): Uint8Array {
  const header = new Uint8Array(key.length + BIN_HEADER_BYTES);
  header.set(key);
  header[key.length] = 0xc6;
  writeU32(header, key.length + 1, length);
  return header;
}
