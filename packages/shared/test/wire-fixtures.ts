/** The frames of `wire.fixture.json`, which several tests and the examples of PROTOCOL.md share. */
import { readFileSync } from 'node:fs';
import type { Message } from '../src/messages.ts';
import type { Sender } from '../src/session.ts';

export interface Frame {
  readonly name: string;
  readonly from: Sender;
  readonly message: Message;
  readonly frame: Uint8Array;
}
interface Stored {
  name: string;
  from: Sender;
  message: unknown;
  hex: string;
  problem: string;
}
const stored = JSON.parse(
  readFileSync(new URL('../src/wire.fixture.json', import.meta.url), 'utf8'),
  (_key, value) => (typeof value?.$bytes === 'string' ? fromHex(value.$bytes) : value),
) as { frames: Stored[]; accepted: Stored[]; refused: Stored[]; sessions: Record<string, string[]> };

/** What our encoder writes, byte for byte. */
export const FRAMES: readonly Frame[] = stored.frames.map(({ name, from, message, hex }) => ({
  name,
  from,
  message: message as Message,
  frame: fromHex(hex),
}));
/** What others may write, and we must read. */
export const ACCEPTED = stored.accepted.map(({ name, message, hex }) => ({
  name,
  message,
  frame: fromHex(hex),
}));
/** What must be refused, with a part of the sentence that says why. */
export const REFUSED = stored.refused.map(({ name, problem, hex }) => ({
  name,
  problem,
  frame: fromHex(hex),
}));
/** Names of the frames of two short sessions, in order. */
export const SESSIONS = stored.sessions;

export function frameNamed(name: string): Frame {
  const found = FRAMES.find((frame) => frame.name === name);
  if (found === undefined) throw new Error(`no fixture is named ${name}`);
  return found;
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
/** A message whose byte strings are plain arrays of the same class, so that a view and a copy compare as equal. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: toHex(value) };
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, comparable(inner)]));
}
