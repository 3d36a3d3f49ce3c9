/**
 * What a slot's thread and the process of its box say to each other: frames of a length, u32 big-endian, and a value as
 * Node's own serializer writes it, which both ends have, and which keeps what structured clone keeps.
 */
import { deserialize, serialize } from 'node:v8';

export type BoxAnswer =
  /** What the module exports. */
  | { readonly type: 'loaded'; readonly tasks: readonly string[]; readonly reducers: readonly string[] }
  | { readonly type: 'broken'; readonly message: string }
  | {
      readonly type: 'result';
      readonly value: unknown;
      readonly hasWritten: boolean;
      /** The value came before, in pieces. */
      readonly isInPieces: boolean;
      /** What the values of its run were folded to, if it was asked for. */
      readonly given: { readonly value: unknown } | null;
    }
  /** The task has given its value, and the reducer is called. */
  | { readonly type: 'folding' }
  | { readonly type: 'finish'; readonly value: unknown }
  /** A reducer gave what is no folded value. */
  | { readonly type: 'misfolded'; readonly problem: 'promise' | 'nothing' | 'large' }
  | {
      readonly type: 'thrown';
      /** By the reducer. */
      readonly inReducer: boolean;
      readonly error: unknown;
      /** The class of JavaScript's own that it is of. */
      readonly kind: string;
      readonly own: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'printed'; readonly name: 'stdout' | 'stderr'; readonly bytes: Uint8Array }
  | { readonly type: 'event'; readonly value: unknown }
  | { readonly type: 'write'; readonly bytes: Uint8Array }
  /** More of a value that is too large to come whole, as the encoding of its job writes it. */
  | { readonly type: 'piece'; readonly bytes: Uint8Array }
  /** Something is to be submitted. Tasks of the module are named by `export`. */
  | {
      readonly type: 'ask';
      readonly ask: number;
      readonly method: 'call' | 'map' | 'range';
      readonly args: readonly unknown[];
    }
  | { readonly type: 'await'; readonly ask: number }
  | { readonly type: 'uncaught'; readonly message: string };

const HEADER_BYTES = 4;
/**
 * What this process holds at once of what that one says: large values come in pieces, which go to a file. Less than four letters
 * make as a length, so text that was printed there is known at once.
 */
const FRAME_BYTES_MAX = 16 * 1024 * 1024 + 1024;

export function boxFrame(order: object): Buffer {
  const body = serialize(order);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, HEADER_BYTES);
  return frame;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isNumber = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isAny = (): boolean => true;
const among =
  (...known: readonly unknown[]) =>
  (value: unknown): boolean =>
    known.includes(value);

/** What each field of an answer must be. Whoever is in the sandbox may write to the pipe, whatever it likes. */
const SHAPES: { readonly [T in BoxAnswer['type']]: Readonly<Record<string, (value: unknown) => boolean>> } = {
  loaded: { tasks: isTexts, reducers: isTexts },
  broken: { message: isText },
  result: {
    value: isAny,
    hasWritten: isFlag,
    isInPieces: isFlag,
    given: (given) => given === null || (isMap(given) && 'value' in given),
  },
  folding: {},
  finish: { value: isAny },
  misfolded: { problem: among('promise', 'nothing', 'large') },
  thrown: { inReducer: isFlag, error: isAny, kind: isText, own: isMap },
  printed: { name: among('stdout', 'stderr'), bytes: isBytes },
  event: { value: isAny },
  write: { bytes: isBytes },
  piece: { bytes: isBytes },
  ask: { ask: isNumber, method: among('call', 'map', 'range'), args: Array.isArray },
  await: { ask: isNumber },
  uncaught: { message: isText },
};

/** @throws TypeError when it is no answer */
function answerOf(body: Buffer): BoxAnswer {
  const answer: unknown = deserialize(body);
  const { type } = isMap(answer) ? (answer as { type?: unknown }) : {};
  if (!isText(type) || !Object.hasOwn(SHAPES, type)) throw new TypeError('no answer');
  for (const [field, isSound] of Object.entries(SHAPES[type as BoxAnswer['type']]))
    if (!isSound((answer as Record<string, unknown>)[field])) throw new TypeError(`no ${type}`);
  return answer as BoxAnswer;
}

/** Puts frames together. Bytes that are none (a program that the task has started prints, too) end the reading. */
export class BoxReader {
  readonly #answered: (answer: BoxAnswer, bytes: number) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  /** The body that comes, in one piece of memory from the start: what comes byte by byte costs no more. */
  #body: Buffer | null = null;
  /** Bytes of the header, or of the body, that are there. */
  #filled = 0;
  #isLost = false;

  /** @param answered called with an answer, and the bytes that it took */
  constructor(answered: (answer: BoxAnswer, bytes: number) => void) {
    this.#answered = answered;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#isLost; ) {
      const target = this.#body ?? this.#header;
      const copied = chunk.copy(target, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < target.length) continue;
      this.#filled = 0;
      if (this.#body === null) this.#begin(target.readUInt32BE(0));
      else {
        this.#body = null;
        this.#read(target);
      }
    }
  }

  #begin(bytes: number): void {
    if (bytes === 0 || bytes > FRAME_BYTES_MAX) this.#lose();
    else this.#body = Buffer.allocUnsafe(bytes);
  }

  #read(body: Buffer): void {
    let answer: BoxAnswer;
    try {
      answer = answerOf(body);
    } catch {
      this.#lose();
      return;
    }
    this.#answered(answer, body.length);
  }

  #lose(): void {
    this.#isLost = true;
    this.#body = null;
    const message = 'something wrote to the standard output that the function needs for its answers';
    this.#answered({ type: 'broken', message }, 0);
  }
}
