/**
 * What one command prints, on its way out: tagged, in whole lines if asked for, and kept back while it is not its turn;
 * what is kept back beyond 1 MiB is in a temporary file.
 */
import { createReadStream } from 'node:fs';
import { Gathering, isSpooled, type Spool, type Spooled } from '../../hash/spool.ts';
import type { CommandOutput } from '../command-task.ts';
import type { Sink } from './sink.ts';
import { Tagger } from './tagger.ts';

export type StreamName = 'stdout' | 'stderr';
export const STREAM_NAMES: readonly StreamName[] = ['stdout', 'stderr'];

export interface TaskSinks {
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** One stream of one command. */
export class TaskStream {
  readonly #sink: Sink;
  readonly #tagger: Tagger;
  readonly #waitsForLines: boolean;
  readonly #spool: Spool;
  #kept: Gathering;
  #half: Uint8Array[] = [];
  #isOpen = false;
  bytes = 0;

  constructor(sink: Sink, tag: string, waitsForLines: boolean, spool: Spool) {
    this.#sink = sink;
    this.#tagger = new Tagger(tag);
    this.#waitsForLines = waitsForLines;
    this.#spool = spool;
    this.#kept = new Gathering(spool);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    if (!this.#isOpen) await this.#kept.append(bytes);
    else await this.#print(bytes);
  }

  /** It is its turn: what was kept back goes out, and what comes from now on at once. */
  async open(): Promise<void> {
    if (this.#isOpen) return;
    this.#isOpen = true;
    if (this.#kept.isEmpty) return;
    const kept = await this.#kept.take();
    if (!isSpooled(kept)) await this.#print(kept);
    else await this.#printFile(kept);
  }

  /** What is left of a line without an end. */
  async end(): Promise<void> {
    const half = Buffer.concat(this.#half);
    this.#half = [];
    await this.#sink.write(this.#tagger.tagged(half));
  }

  async #printFile(kept: Spooled): Promise<void> {
    for await (const chunk of createReadStream(kept.path)) await this.#print(chunk as Buffer);
    await this.#spool.remove(kept);
  }

  async #print(bytes: Uint8Array): Promise<void> {
    if (!this.#waitsForLines) return await this.#sink.write(this.#tagger.tagged(bytes));
    const end = Math.max(bytes.lastIndexOf(0x0a), bytes.lastIndexOf(0x0d)) + 1;
    if (end > 0) {
      const lines = Buffer.concat([...this.#half, bytes.subarray(0, end)]);
      this.#half = [];
      await this.#sink.write(this.#tagger.tagged(lines));
    }
    if (end < bytes.length) this.#half.push(Buffer.from(bytes.subarray(end)));
  }
}

/** All of what a finished command wrote; with a word about what is missing in the middle. */
export async function* chunksOf({ data, truncated }: CommandOutput): AsyncGenerator<Uint8Array> {
  if (data instanceof Uint8Array) {
    if (data.length > 0) yield data;
  } else yield* data.read();
  if (truncated > 0) yield Buffer.from(`\n[${truncated} bytes were left out]\n`);
}
