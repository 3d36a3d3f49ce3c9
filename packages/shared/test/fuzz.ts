/**
 * Fuzzing of the decoder and the session: random bytes and damaged valid streams, cut anywhere. Whatever comes, a session
 * yields messages that pass their own schema, or throws a ProtocolError and is closed. Anything else is a bug of ours.
 *
 * What was found once is kept in `corpus/` as hex, one stream a file, and is run first, every time.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededChance } from '../src/chance.ts';
import { encode } from '../src/codec.ts';
import { ProtocolError } from '../src/errors.ts';
import { MESSAGES } from '../src/messages.ts';
import { type Sender, Session } from '../src/session.ts';
import { ACCEPTED, FRAMES, fromHex, REFUSED, toHex } from './wire-fixtures.ts';

export const CORPUS = join(import.meta.dirname, 'corpus');

export function readCorpus(): { name: string; stream: Uint8Array }[] {
  return readdirSync(CORPUS)
    .filter((name) => name.endsWith('.hex'))
    .sort()
    .map((name) => ({ name, stream: fromHex(readFileSync(join(CORPUS, name), 'utf8').replace(/\s/g, '')) }));
}

/** Keeps a stream for ever. Returns where. */
export function keep(name: string, stream: Uint8Array): string {
  mkdirSync(CORPUS, { recursive: true });
  const path = join(CORPUS, `${name}.hex`);
  writeFileSync(path, `${toHex(stream).replace(/.{1,100}/g, '$&\n')}`);
  return path;
}

/** Runs one stream through sessions of every kind. @throws Error when one did anything but what it may */
export function attack(stream: Uint8Array, chance: () => number): void {
  for (const sender of ['drone', 'client', 'queen'] as const) {
    for (const isOpen of [false, true]) attackOne(stream, sender, isOpen, chance);
  }
}

function attackOne(stream: Uint8Array, sender: Sender, isOpen: boolean, chance: () => number): void {
  const session = new Session(sender === 'queen' ? 'queen' : null);
  if (isOpen) session.open(sender === 'queen' ? undefined : sender);
  const isCut = chance() < 0.5;
  try {
    for (let at = 0; at < stream.length; ) {
      const end = isCut ? at + 1 + Math.floor(chance() * 40) : stream.length;
      for (const message of session.receive(stream.subarray(at, end))) {
        const wrong = MESSAGES[message.type].problem(message);
        if (wrong !== null) throw new Error(`let ${message.type} through, which ${wrong}`);
        // What came in can be passed on: a Queen does so all the time.
        encode(message);
        if (message.type === 'Hello' && session.state === 'greeting') session.open(message.role);
      }
      at = end;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    if (session.state !== 'closed') throw new Error('a session stayed open after a ProtocolError');
    for (const message of session.receive(FRAMES[0]!.frame)) {
      throw new Error(`let ${message.type} through after a ProtocolError`);
    }
  }
}

const SEEDS = [...FRAMES, ...ACCEPTED, ...REFUSED].map(({ frame }) => frame);
const HEADS = [
  0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcf, 0xd3,
];
const MORE_HEADS = [
  0xd4, 0xd6, 0xd7, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, 0x72, 0x42, 0x00, 0x7f,
];

/** A stream of a few frames, most of them damaged in their bodies, some in their headers, some nothing but noise. */
export function makeStream(chance: () => number): Uint8Array {
  const below = (n: number) => Math.floor(chance() * n);
  const out: number[] = [];
  for (let frames = 1 + below(4); frames > 0; frames--) {
    if (chance() < 0.05) {
      out.push(...Array.from({ length: below(60) }, () => below(256)));
      continue;
    }
    let body = [...SEEDS[below(SEEDS.length)]!.subarray(4)];
    for (let damages = below(4); damages > 0; damages--) body = damage(body, below);
    const length = body.length + (chance() < 0.03 ? below(7) - 3 : 0);
    out.push((length >>> 24) & 0xff, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff, ...body);
  }
  return Uint8Array.from(out);
}

function damage(body: number[], below: (n: number) => number): number[] {
  const at = below(body.length + 1);
  const head = () => (below(2) === 0 ? HEADS[below(HEADS.length)]! : MORE_HEADS[below(MORE_HEADS.length)]!);
  if (body.length === 0) return [head()];
  switch (below(7)) {
    case 0:
      return body.with(Math.min(at, body.length - 1), below(256));
    case 1:
      return body.with(Math.min(at, body.length - 1), head());
    case 2:
      return body.toSpliced(at, 0, head());
    case 3:
      return body.toSpliced(at, below(6));
    case 4:
      return body.slice(0, at);
    case 5: {
      const other = SEEDS[below(SEEDS.length)]!;
      const from = below(other.length);
      return body.toSpliced(at, below(10), ...other.subarray(from, from + below(30)));
    }
    default: {
      const from = below(body.length + 1);
      return body.toSpliced(at, 0, ...body.slice(from, from + below(40)));
    }
  }
}

/** Attacks until the time is over. Returns how many streams, or the one that found a bug. */
export function fuzz(seed: number, millis: number): { streams: number; found: Found | null } {
  const end = performance.now() + millis;
  let streams = 0;
  for (; performance.now() < end; streams++) {
    const streamSeed = (seed + streams) >>> 0;
    const chance = seededChance(streamSeed);
    let stream = new Uint8Array(0);
    try {
      stream = makeStream(chance) as typeof stream;
      attack(stream, chance);
    } catch (error) {
      return { streams, found: { seed: streamSeed, stream, error: error as Error } };
    }
  }
  return { streams, found: null };
}
export interface Found {
  readonly seed: number;
  readonly stream: Uint8Array;
  readonly error: Error;
}
