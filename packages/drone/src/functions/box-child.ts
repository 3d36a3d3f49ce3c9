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
type Order = { readonly type: 'load'; readonly path: string } | BoxCall | BoxFold;
type Run = (input: unknown, context: object) => unknown;
type Fold = (left: unknown, right: unknown) => unknown;
type Tasks = Map<string, { readonly run: Run; readonly settings: object }>;

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
  const body = serialize(answer);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, HEADER_BYTES);
  for (let done = 0; done < frame.length; ) done += writeSync(1, frame, done);
}

async function load(path: string): Promise<void> {
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
    say({ type: 'broken', message: error instanceof Error ? error.message : String(error) });
  }
}

async function call({ task, input, stream, index, attempt, params, folding }: BoxCall): Promise<void> {
  let hasWritten = false;
  const context = {
    signal: new AbortController().signal,
    ...{ index, attempt, params },
    log: (...values: unknown[]) => console.log(...values),
    progress: (done: number, of: number) => say({ type: 'event', value: { type: 'progress', done, of } }),
    emit: (value: unknown) => say({ type: 'event', value: { type: 'emit', value } }),
    finish: (value: unknown) => {
      throw new Finish(value);
    },
    get hive(): never {
      throw new Error(
        'A function in a sandbox submits no work: leave the option "sandbox" out, or submit it yourself.',
      );
    },
    write: (bytes: Uint8Array | string) => {
      hasWritten = true;
      say({ type: 'write', bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes });
    },
  };
  let inReducer = false;
  try {
    const value = await tasks.get(task)!.run(stream === null ? input : streamOf(stream), context);
    const isFolded = folding === null || hasWritten || addTo(folding, value);
    if (!isFolded) return;
    // The value was cloned; what was folded was not.
    inReducer = folding !== null;
    say({
      type: 'result',
      value,
      hasWritten,
      given: folding?.gives && !hasWritten ? { value: folded } : null,
    });
  } catch (error) {
    if (error instanceof Finish) say({ type: 'finish', value: error.value });
    else say(thrown(error, inReducer));
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
    say({ type: 'result', value, hasWritten: false, given: null });
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
  if (typeof error === 'object' && error !== null) {
    for (const key of ['name', ...Object.keys(error)]) {
      const value = (error as Record<string, unknown>)[key];
      if (isClonable(value)) own[key] = value;
    }
  }
  const kind = CLASSES.find((Class) => error instanceof Class)?.name ?? 'Error';
  return {
    type: 'thrown',
    inReducer,
    error: isClonable(error) ? error : new Error(String(error)),
    kind,
    own,
  };
}

function isClonable(value: unknown): boolean {
  try {
    serialize(value);
    return true;
  } catch {
    return false;
  }
}

function printTo(name: 'stdout' | 'stderr'): Writable {
  return new Writable({
    write: (chunk: Buffer, _, done) => {
      say({ type: 'printed', name, bytes: chunk });
      done();
    },
  });
}

/** Says why it ends: nobody sees what it prints by then. */
function lastWords(error: unknown): void {
  say({ type: 'uncaught', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
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
      if (order.type === 'load') void load(order.path);
      else if (order.type === 'fold') fold(order);
      else void call(order);
    }
  })
  // The slot's thread is gone.
  .on('end', () => process.exit(0));
