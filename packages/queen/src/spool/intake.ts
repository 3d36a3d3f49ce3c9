/**
 * Takes values over 1 MiB in before the message that tells of them is stepped: a report is recorded, and acknowledged, only
 * when what it reports is here; an Append likewise. So a large result is never lost with the Drone that made it.
 *
 * A message is held from its arrival until its values have come, or its session has ended (then whoever sent it says it
 * again). What follows it about the same lease or job waits behind it, in order; nothing else does.
 * A full disk loses nothing: writing is tried again while the session stands.
 */
import {
  type Failure,
  LIMITS,
  type Message,
  type SessionNumber,
  type Streamed,
  StreamReader,
} from '@hive/shared';
import debug from 'debug';
import type { Incoming, Spool } from './spool.ts';

const log = debug('hive:queen:spool');
const RETRY_MILLIS = 500;

/** Messages whose values are taken in, and those that must not overtake them. */
export type Holdable = Message<'TaskComplete' | 'Retracted' | 'Append' | 'Seal'>;
/** Finished values, by the index of their task: where they are. */
export type Arrivals = ReadonlyMap<number, string>;

export interface IntakeDoors {
  /** Asks a peer for a piece of a value. */
  ask(session: SessionNumber, get: Message<'StreamGet'>): void;
  /** The message may be stepped now. */
  pass(session: SessionNumber, message: Holdable, arrivals: Arrivals): void;
  /** Whether there is so little room that what is left must be kept for the store. */
  isDiskLow(): boolean;
}
interface Held {
  readonly message: Holdable;
  /** Those of its values that are wanted. */
  readonly streams: readonly Streamed[];
  /** What a piece is asked for with, but where it is. */
  readonly get: Omit<Message<'StreamGet'>, 'index' | 'offset' | 'length'>;
}
/** Messages in order; the first one is being taken in. */
interface Line {
  readonly session: SessionNumber;
  readonly keys: string[];
  readonly held: Held[];
  isOver: boolean;
}

export class Intake {
  readonly #spool: Spool;
  readonly #doors: IntakeDoors;
  /** By session and what its messages are about. */
  readonly #lines = new Map<string, Line>();
  readonly #readers = new Map<string, StreamReader>();
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(spool: Spool, doors: IntakeDoors) {
    this.#spool = spool;
    this.#doors = doors;
  }

  get isIdle(): boolean {
    return this.#lines.size === 0;
  }
  isHolding(session: SessionNumber, key: string): boolean {
    return this.#lines.has(lineKey(session, key));
  }

  /** Holds a message, behind those with the same key or with the key `behind`. */
  hold(session: SessionNumber, key: string, behind: string | null, held: Held): void {
    const known =
      this.#lines.get(lineKey(session, key)) ??
      (behind === null ? undefined : this.#lines.get(lineKey(session, behind)));
    const line: Line = known ?? { session, keys: [], held: [], isOver: false };
    const own = lineKey(session, key);
    if (!line.keys.includes(own)) line.keys.push(own);
    this.#lines.set(own, line);
    line.held.push(held);
    if (known === undefined) void this.#run(line);
  }

  /** False when nobody here has asked for this piece. */
  arrived(session: SessionNumber, chunk: Message<'StreamChunk'>): boolean {
    const reader = this.#readers.get(readerKey(session, chunk));
    reader?.arrived(chunk);
    return reader !== undefined;
  }

  /** The session has ended: what it told of and was not taken in is told again in the next one. */
  closed(session: SessionNumber): void {
    for (const line of new Set(this.#lines.values())) {
      if (line.session !== session) continue;
      this.#forget(line);
      for (const [key, reader] of this.#readers)
        if (key.startsWith(`${session}/`)) reader.fail(new Error('the session has ended'));
    }
  }

  async #run(line: Line): Promise<void> {
    for (let held = line.held[0]; held !== undefined && !line.isOver; held = line.held[0]) {
      const arrivals = new Map<number, string>();
      const failures: Failure[] = [];
      for (const stream of held.streams) {
        const problem = await this.#take(line, held, stream, arrivals);
        if (problem !== null)
          failures.push({ index: stream.index, outcome: 'failed', code: 'streamFailed', message: problem });
      }
      if (line.isOver) {
        for (const path of arrivals.values()) await this.#spool.discard(path);
        return;
      }
      line.held.shift();
      if (line.held.length === 0) this.#forget(line);
      this.#doors.pass(line.session, withFailures(held.message, failures), arrivals);
    }
  }

  /** Takes one value in. Returns why it could not be. */
  async #take(
    line: Line,
    held: Held,
    stream: Streamed,
    arrivals: Map<number, string>,
  ): Promise<string | null> {
    if (this.#running >= LIMITS.streamsAtOnce) await new Promise<void>((next) => this.#waiting.push(next));
    this.#running++;
    try {
      if (!line.isOver) arrivals.set(stream.index, await this.#pull(line, held, stream));
      return null;
    } catch (error) {
      if (!line.isOver) log('a stream could not be taken in: %s', (error as Error).message);
      return (error as Error).message;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #pull(line: Line, { get }: Held, { index, bytes }: Streamed): Promise<string> {
    const ask = { ...get, index };
    const key = readerKey(line.session, ask);
    const reader = new StreamReader(
      bytes,
      (piece) => this.#doors.ask(line.session, { ...ask, ...piece }),
      (text) => new Error(text),
    );
    this.#readers.set(key, reader);
    const incoming = await this.#persistently(line, () => this.#spool.create());
    try {
      let offset = 0;
      for await (const chunk of reader.chunks()) {
        await this.#write(line, incoming, chunk, offset);
        offset += chunk.length;
      }
      await this.#spool.finish(incoming);
      return incoming.path;
    } catch (error) {
      await this.#spool.abandon(incoming);
      throw error;
    } finally {
      this.#readers.delete(key);
    }
  }

  async #write(line: Line, { file }: Incoming, chunk: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      done += await this.#persistently(line, async () => {
        const { bytesWritten } = await file.write(chunk, done, chunk.length - done, offset + done);
        return bytesWritten;
      });
    }
  }

  /** Does something with the disk as often as it takes. */
  async #persistently<T>(line: Line, action: () => Promise<T>): Promise<T> {
    while (!line.isOver) {
      try {
        if (!this.#doors.isDiskLow()) return await action();
      } catch (error) {
        log('the spool cannot be written: %s', (error as Error).message);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLIS).unref());
    }
    throw new Error('the session has ended');
  }

  #forget(line: Line): void {
    line.isOver ||= line.held.length > 0;
    for (const key of line.keys) this.#lines.delete(key);
  }
}

const lineKey = (session: SessionNumber, key: string) => `${session}/${key}`;

const readerKey = (
  session: SessionNumber,
  {
    job,
    index,
    direction,
    lease,
    incarnation,
  }: Pick<Message<'StreamGet'>, 'job' | 'index' | 'direction' | 'lease' | 'incarnation'>,
) => `${session}/${job}/${direction}/${index}/${lease ?? ''}/${incarnation ?? ''}`;

/** A result that cannot be had is a failure of its task. An input that cannot: whoever needs it will find that out. */
function withFailures(message: Holdable, failures: readonly Failure[]): Holdable {
  if (failures.length === 0 || message.type !== 'TaskComplete') return message;
  const failed = new Set(failures.map(({ index }) => index));
  const streams = (message.streams ?? []).filter(({ index }) => !failed.has(index));
  // One that has failed anyway has failed for its own reason, and its output is missing.
  const known = new Set((message.failures ?? []).map(({ index }) => index));
  const more = failures.filter(({ index }) => !known.has(index));
  const all = [...(message.failures ?? []), ...more].sort((a, b) => a.index - b.index);
  const { streams: _, ...rest } = message;
  return { ...rest, failures: all, ...(streams.length === 0 ? {} : { streams }) };
}
