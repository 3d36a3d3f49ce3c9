/**
 * The process in which a function runs inside of a sandbox. It is copied there as this one file, so it may import nothing
 * but what Node itself has; it hears orders on its standard input and answers on its standard output (box-wire.ts).
 *
 * Invariant: nothing but frames leaves on file descriptor 1. What the task prints is put into frames, too.
 */
import { createReadStream, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { deserialize, serialize } from 'node:v8';

const TASK_MARK = Symbol.for('hive.task');
const REDUCER_MARK = Symbol.for('hive.reducer');
const HEADER_BYTES = 4;
/** A value that takes more than this goes out in pieces; what else there is to say, whole, up to twice as much. */
const WHOLE_BYTES = 8 * 1024 * 1024;
const SAID_BYTES_MAX = 2 * WHOLE_BYTES;
const PIECE_BYTES = 256 * 1024;
/** As much of an error, with what it carries, as is told; a caller gets some KiB of it. */
const ERROR_BYTES = 1024 * 1024;
const TEXT_MAX = 16_384;

interface BoxCall {
  readonly type: 'call';
  readonly task: string;
  readonly input: unknown;
  /** The input is a file of so many bytes. */
  readonly stream: { readonly path: string; readonly bytes: number } | null;
  readonly index: number;
  readonly attempt: number;
  readonly params: object;
  /** How what it gives is folded with what the calls before it gave; null: it is not. */
  readonly folding: { readonly reducer: string; readonly begins: boolean; readonly gives: boolean } | null;
}
interface BoxFold {
  readonly type: 'fold';
  readonly reducer: string;
  /** Those of neighbours, in their order. */
  readonly values: readonly unknown[];
}
/** What has come of a question: the value, or an error in parts. */
interface BoxReply {
  readonly type: 'answer';
  readonly ask: number;
  readonly value?: unknown;
  readonly error?: {
    readonly name?: string;
    readonly message: string;
    readonly stack?: string;
    readonly own: object;
  };
}
/** With the module that encodes what is too large to go out whole. */
interface BoxLoad {
  readonly type: 'load';
  readonly path: string;
  readonly encoder: string;
}
interface EncoderModule {
  readonly Encoder: new (packText: (text: string) => Uint8Array) => { encode(value: unknown): Uint8Array };
}
type Order = BoxLoad | BoxCall | BoxFold | BoxReply;
type Run = (input: unknown, context: object) => unknown;
type Fold = (left: unknown, right: unknown) => unknown;
interface Loaded {
  readonly run: Run;
  readonly settings: object;
}
type Tasks = Map<string, Loaded>;

class Finish {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/** Told apart by their names, which a task's own class has changed. */
const CLASSES = [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError] as const;

const tasks: Tasks = new Map();
const reducers = new Map<string, Fold>();

function say(answer: object): void {
  sayBody(serialize(answer));
}

function sayBody(body: Buffer): void {
  if (body.length > SAID_BYTES_MAX) {
    throw new RangeError(
      `A task in a sandbox says at most ${SAID_BYTES_MAX} bytes at once, and this has ${body.length}: return it, or give it to context.write, or say it in parts.`,
    );
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, HEADER_BYTES);
  for (let done = 0; done < frame.length; ) done += writeSync(1, frame, done);
}

/** Bytes of any length, a piece at a time: whoever reads them holds no more. */
function sayInPieces(bytes: Uint8Array, saying: (piece: Uint8Array) => object): void {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) say(saying(bytes.subarray(at, at + PIECE_BYTES)));
}

let encoder = '';

/** What a task gave: whole, or as the encoding of its job writes it, in pieces. */
async function sayResult(
  value: unknown,
  hasWritten: boolean,
  given: { readonly value: unknown } | null,
): Promise<void> {
  const folded = given !== null && serialize(given).length > WHOLE_BYTES ? null : given;
  const result = { type: 'result', hasWritten, given: folded };
  const body = serialize({ ...result, value, isInPieces: false });
  if (body.length <= SAID_BYTES_MAX && (folded !== null || body.length <= WHOLE_BYTES)) sayBody(body);
  else if (hasWritten) say({ ...result, value: true, isInPieces: false });
  else {
    const { Encoder } = (await import(pathToFileURL(encoder).href)) as EncoderModule;
    sayInPieces(new Encoder(packText).encode(value), (bytes) => ({ type: 'piece', bytes }));
    say({ ...result, value: undefined, isInPieces: true });
  }
}

function packText(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const packed = Buffer.allocUnsafe(5 + length);
  packed[0] = 0xdb;
  packed.writeUInt32BE(length, 1);
  packed.write(text, 5);
  return packed;
}

async function load({ path, encoder: own }: BoxLoad): Promise<void> {
  encoder = own;
  try {
    const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(module)) {
      if (typeof value !== 'object' || value === null) continue;
      if (TASK_MARK in value)
        tasks.set(name, (value as { [TASK_MARK]: { run: Run; settings: object } })[TASK_MARK]);
      if (REDUCER_MARK in value)
        reducers.set(name, (value as { [REDUCER_MARK]: { run: Fold } })[REDUCER_MARK].run);
    }
    say({ type: 'loaded', tasks: [...tasks.keys()], reducers: [...reducers.keys()] });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    say({ type: 'broken', message: message.slice(0, TEXT_MAX) });
  }
}

/** What the task that runs has asked for, by number. */
const asked = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
let asks = 0;

/** `context.hive`: the slot's thread, outside, submits, and says when the task may run on. */
class Submitter {
  #isOver = false;

  get call() {
    return (target: unknown, input: unknown, options?: object) =>
      this.#ask('call', async () => [nameOf(target), input, named(options)]);
  }
  get map() {
    return (target: unknown, inputs: AsyncIterable<unknown> | Iterable<unknown>, options?: object) =>
      this.#ask('map', async () => [nameOf(target), await listOf(inputs), named(options)]);
  }
  get range() {
    return (start: number, end: number, target: unknown, options?: object) =>
      this.#ask('range', async () => [start, end, nameOf(target), named(options)]);
  }

  end(): void {
    this.#isOver = true;
    asked.clear();
  }

  #ask(method: string, args: () => Promise<unknown[]>): Answer {
    if (this.#isOver) throw new Error('The task has ended; it cannot submit anything any more.');
    return new Answer(method, args());
  }
}

/** The task rests from when it is awaited, not from when it was asked for. */
class Answer implements Promise<unknown> {
  readonly [Symbol.toStringTag] = 'Promise';
  readonly #number = ++asks;
  readonly #said: Promise<void>;
  readonly #result: Promise<unknown>;
  #isAwaited = false;

  constructor(method: string, args: Promise<unknown[]>) {
    const ask = this.#number;
    this.#result = new Promise((resolve, reject) => {
      asked.set(ask, { resolve, reject });
    });
    this.#said = args.then((all) => sayCloned({ type: 'ask', ask, method, args: all }));
    this.#said.catch((error: unknown) => asked.get(ask)?.reject(error));
    // Who never awaits it does not want to know.
    this.#result.catch(() => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: to be awaited is what it is for
  // biome-ignore lint/suspicious/noExplicitAny: as a Promise has it
  then(done?: ((value: any) => any) | null, failed?: ((error: any) => any) | null): Promise<any> {
    if (!this.#isAwaited) {
      this.#isAwaited = true;
      this.#said.then(() => say({ type: 'await', ask: this.#number })).catch(() => {});
    }
    return this.#result.then(done, failed);
  }
  // biome-ignore lint/suspicious/noExplicitAny: as a Promise has it
  catch(failed?: ((error: any) => any) | null): Promise<any> {
    return this.then(undefined, failed);
  }
  finally(ended?: (() => void) | null): Promise<unknown> {
    return this.then().finally(ended);
  }
}

function sayCloned(question: object): void {
  try {
    say(question);
  } catch (error) {
    throw new TypeError(`What a task in a sandbox submits is copied out of it: ${(error as Error).message}`);
  }
}

async function listOf(inputs: AsyncIterable<unknown> | Iterable<unknown>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const input of inputs) list.push(input);
  return list;
}

/** A task of this module by its name; what else there is says what it is itself. */
function nameOf(target: unknown): unknown {
  const loaded = (target as { [TASK_MARK]?: Loaded } | null)?.[TASK_MARK];
  for (const [name, { run, settings }] of tasks) if (loaded?.run === run) return { export: name, settings };
  const { registered } = (target ?? {}) as { registered?: unknown };
  return typeof registered === 'string' ? { registered } : typeof target === 'string' ? target : null;
}

/** The same of a reducer among the options. */
function named(options: object | undefined): object | undefined {
  const { reduce } = (options ?? {}) as { reduce?: unknown };
  if (typeof reduce !== 'object' || reduce === null || !(REDUCER_MARK in reduce)) return options;
  const { run } = (reduce as { [REDUCER_MARK]: { run: Fold | null } })[REDUCER_MARK];
  for (const [name, own] of reducers) if (own === run) return { ...options, reduce: { export: name } };
  const { registered, export: own } = reduce as { registered?: unknown; export?: unknown };
  return {
    ...options,
    reduce: typeof registered === 'string' ? { registered, export: own } : { export: null },
  };
}

function answered({ ask, value, error }: BoxReply): void {
  const waiting = asked.get(ask);
  asked.delete(ask);
  if (error === undefined) waiting?.resolve(value);
  else waiting?.reject(errorOf(error));
}

function errorOf({ name, message, stack, own }: NonNullable<BoxReply['error']>): Error {
  const error = Object.assign(new Error(message), own);
  for (const [key, value] of Object.entries({ name, stack }))
    if (value !== undefined) Object.defineProperty(error, key, { value, configurable: true, writable: true });
  return error;
}

async function call({ task, input, stream, index, attempt, params, folding }: BoxCall): Promise<void> {
  let hasWritten = false;
  const submitter = new Submitter();
  const context = {
    signal: new AbortController().signal,
    ...{ index, attempt, params },
    log: (...values: unknown[]) => console.log(...values),
    progress: (done: number, of: number) => say({ type: 'event', value: { type: 'progress', done, of } }),
    emit: (value: unknown) => say({ type: 'event', value: { type: 'emit', value } }),
    finish: (value: unknown) => {
      throw new Finish(value);
    },
    hive: submitter,
    write: (bytes: Uint8Array | string) => {
      hasWritten = true;
      sayInPieces(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, (piece) => ({
        type: 'write',
        bytes: piece,
      }));
    },
  };
  let inReducer = false;
  try {
    const value = await tasks.get(task)!.run(stream === null ? input : streamOf(stream), context);
    const isFolded = folding === null || hasWritten || addTo(folding, value);
    if (!isFolded) return;
    // The value was cloned; what was folded was not.
    inReducer = folding !== null;
    await sayResult(value, hasWritten, folding?.gives && !hasWritten ? { value: folded } : null);
  } catch (error) {
    if (error instanceof Finish) sayFinish(error);
    else say(thrown(error, inReducer));
  } finally {
    submitter.end();
  }
}

function sayFinish({ value }: Finish): void {
  try {
    const body = serialize({ type: 'finish', value });
    if (body.length > WHOLE_BYTES) throw new FinishTooLarge();
    sayBody(body);
  } catch (error) {
    say(thrown(error, false));
  }
}

class FinishTooLarge extends Error {
  readonly code = 'tooLarge';
  readonly retryable = false;
  constructor() {
    super('What ends a job early has at most 1 MiB.');
  }
}

/** What the last calls gave, folded. */
let folded: unknown;

/** Folds one more value; false: that failed, and was said. */
function addTo({ reducer, begins }: NonNullable<BoxCall['folding']>, value: unknown): boolean {
  // What the task gave may be used by it again, and the reducer may change what it gets.
  const own = deserialize(serialize(value));
  if (begins) {
    folded = own;
    return true;
  }
  say({ type: 'folding' });
  const result = foldTwo(reducers.get(reducer)!, folded, own);
  if (result === null) return false;
  folded = result.value;
  return true;
}

/** Null: it has failed, and that was said. */
function foldTwo(run: Fold, left: unknown, right: unknown): { readonly value: unknown } | null {
  try {
    const value = run(left, right);
    const problem = misfoldOf(left, right, value);
    if (problem === null) return { value };
    // Nobody waits for it.
    if (problem === 'promise') Promise.resolve(value).catch(() => {});
    say({ type: 'misfolded', problem });
  } catch (error) {
    say(thrown(error, true));
  }
  return null;
}

function fold({ reducer, values }: BoxFold): void {
  const run = reducers.get(reducer)!;
  let value = values[0];
  for (let i = 1; i < values.length; i++) {
    const result = foldTwo(run, value, values[i]);
    if (result === null) return;
    value = result.value;
  }
  try {
    const body = serialize({ type: 'result', value, hasWritten: false, isInPieces: false, given: null });
    if (body.length > SAID_BYTES_MAX) say({ type: 'misfolded', problem: 'large' });
    else sayBody(body);
  } catch (error) {
    say(thrown(error, true));
  }
}

/** As in folds/reducer.ts. */
function misfoldOf(left: unknown, right: unknown, result: unknown): 'promise' | 'nothing' | null {
  if (result === undefined) return left === undefined || right === undefined ? null : 'nothing';
  if (typeof result !== 'object' || result === null) return null;
  return typeof (result as { then?: unknown }).then === 'function' ? 'promise' : null;
}

function streamOf({ path, bytes }: { readonly path: string; readonly bytes: number }): object {
  const read = (): AsyncIterable<Buffer> => createReadStream(path);
  return {
    bytes,
    [Symbol.asyncIterator]: () => read()[Symbol.asyncIterator](),
    whole: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of read()) chunks.push(chunk);
      return new Uint8Array(Buffer.concat(chunks));
    },
  };
}

/** What structured clone leaves out of an error goes beside it, as far as it can be cloned. */
function thrown(error: unknown, inReducer: boolean): object {
  const own: Record<string, unknown> = {};
  let room = ERROR_BYTES;
  if (typeof error === 'object' && error !== null) {
    for (const key of ['name', ...Object.keys(error)]) {
      const value = (error as Record<string, unknown>)[key];
      const bytes = clonedBytes(value);
      if (bytes > room) continue;
      room -= bytes;
      own[key] = value;
    }
  }
  const kind = CLASSES.find((Class) => error instanceof Class)?.name ?? 'Error';
  return {
    type: 'thrown',
    inReducer,
    error: clonedBytes(error) <= ERROR_BYTES ? error : new Error(String(error).slice(0, TEXT_MAX)),
    kind,
    own,
  };
}

/** Infinity: it cannot be cloned. */
function clonedBytes(value: unknown): number {
  try {
    return serialize(value).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function printTo(name: 'stdout' | 'stderr'): Writable {
  return new Writable({
    write: (chunk: Buffer, _, done) => {
      sayInPieces(chunk, (bytes) => ({ type: 'printed', name, bytes }));
      done();
    },
  });
}

/** Says why it ends: nobody sees what it prints by then. */
function lastWords(error: unknown): void {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  say({ type: 'uncaught', message: message.slice(0, TEXT_MAX) });
  process.exit(1);
}

process.setSourceMapsEnabled(true);
for (const name of ['stdout', 'stderr'] as const)
  Object.defineProperty(process, name, { value: printTo(name), configurable: true });
Object.defineProperty(globalThis, 'require', {
  value: createRequire(pathToFileURL(`${process.cwd()}/task.js`)),
});
process.on('uncaughtException', lastWords);

let waiting = Buffer.alloc(0);
// Not a stream of the file: its blocking read would hold up the end of the process.
process.stdin
  .on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + waiting.readUInt32BE(0);
      if (waiting.length < end) return;
      const order = deserialize(waiting.subarray(HEADER_BYTES, end)) as Order;
      waiting = waiting.subarray(end);
      if (order.type === 'load') void load(order);
      else if (order.type === 'answer') answered(order);
      else if (order.type === 'fold') fold(order);
      else void call(order);
    }
  })
  // The slot's thread is gone.
  .on('end', () => process.exit(0));
