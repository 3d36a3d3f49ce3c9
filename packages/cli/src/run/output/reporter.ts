/**
 * Prints what commands wrote, in the way that was asked for: each command's output together when it has ended (--group),
 * line by line (--line-buffer) or as it comes (--ungroup); and with --keep-order in the order of the input.
 *
 * What has to wait for its turn is bounded: when too much waits, `room` tells to start no more for now. The command whose
 * turn it is has been started before, so this always ends.
 */
import { Spool } from '../../hash/spool.ts';
import { bytesOf } from '../byte-text.ts';
import type { CommandResult } from '../command-task.ts';
import type { OutputSettings } from '../options/settings.ts';
import type { Planned } from '../plan.ts';
import type { Joblog } from './joblog.ts';
import { openResultFiles, type ResultFiles } from './result-files.ts';
import { chunksOf, STREAM_NAMES, type StreamName, type TaskSinks, TaskStream } from './task-output.ts';

/** Commands that have ended and wait for their turn, and bytes of what they wrote that are in memory. */
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

export interface ReporterOptions {
  readonly sinks: TaskSinks;
  readonly output: OutputSettings;
  readonly isDryRun: boolean;
  readonly joblog: Joblog | null;
  readonly resolvePath: (path: string) => string;
}

interface Entry {
  readonly planned: Planned;
  readonly streams: Readonly<Record<StreamName, TaskStream>>;
  readonly files: ResultFiles | null;
  result: CommandResult | null;
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #spool = new Spool();
  /** Handed over and not printed. */
  readonly #planned = new Map<number, Planned>();
  /** Those of them that have started; only these have files open. */
  readonly #entries = new Map<number, Entry>();
  /** The index whose turn it is. */
  #turn = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #roomWaiters: (() => void)[] = [];

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** A command was written and is about to be handed over. */
  add(planned: Planned): void {
    this.#planned.set(planned.task.index, planned);
  }

  planned(index: number): Planned {
    return this.#planned.get(index)!;
  }

  /** Also when it is tried again. */
  async started(index: number): Promise<void> {
    if (this.#entries.has(index)) return;
    const { output, sinks, isDryRun } = this.#options;
    const entry = this.#newEntry(this.planned(index));
    this.#entries.set(index, entry);
    const { line } = entry.planned;
    if (output.tellsCommand) await sinks.stderr.write(bytesOf(`${line}\n`));
    if (output.mode !== 'group' && this.#isTurnOf(index)) await open(entry);
    if (output.printsCommand || isDryRun) await entry.streams.stdout.write(bytesOf(`${line}\n`));
  }

  #newEntry(planned: Planned): Entry {
    const { output, sinks, isDryRun, resolvePath } = this.#options;
    const { results, tag, task } = planned;
    const files = results === null || isDryRun ? null : openResultFiles(results, task.seq, resolvePath);
    const waitsForLines = output.mode === 'lines';
    const stream = (name: StreamName) =>
      new TaskStream(files?.[name] ?? sinks[name], files === null ? tag : '', waitsForLines, this.#spool);
    return { planned, files, streams: { stdout: stream('stdout'), stderr: stream('stderr') }, result: null };
  }

  async wrote(index: number, stream: StreamName, data: Uint8Array): Promise<void> {
    await this.#entries.get(index)!.streams[stream].write(data);
  }

  async finished(index: number, result: CommandResult): Promise<void> {
    const entry = this.#entries.get(index)!;
    entry.result = result;
    if (!this.#options.output.isOrdered) return await this.#print(index, entry);
    this.#wait(entry, 1);
    for (;;) {
      const next = this.#entries.get(this.#turn);
      if (next === undefined) return;
      if (next.result === null) {
        if (this.#options.output.mode !== 'group') await open(next);
        return;
      }
      this.#wait(next, -1);
      await this.#print(this.#turn, next);
      this.#turn++;
    }
  }

  /** Null if commands may be added, else what to wait for. */
  room(): Promise<void> | null {
    if (this.#waiting < WAITING_MAX && this.#waitingBytes < WAITING_BYTES_MAX) return null;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Nothing more will be printed, whatever is still waiting. */
  close(): void {
    for (const { files } of this.#entries.values()) files?.close();
    for (const planned of this.#planned.values()) planned.release();
    this.#entries.clear();
    this.#planned.clear();
    this.#spool.close();
  }

  #isTurnOf(index: number): boolean {
    return !this.#options.output.isOrdered || index === this.#turn;
  }

  #wait({ result }: Entry, sign: 1 | -1): void {
    this.#waiting += sign;
    for (const name of STREAM_NAMES) {
      const { data } = result![name];
      if (data instanceof Uint8Array) this.#waitingBytes += sign * data.length;
    }
    if (sign === 1) return;
    for (const resolve of this.#roomWaiters.splice(0)) resolve();
  }

  async #print(index: number, { planned, streams, files, result }: Entry): Promise<void> {
    for (const name of STREAM_NAMES) {
      await streams[name].open();
      for await (const chunk of chunksOf(result![name])) await streams[name].write(chunk);
      await streams[name].end();
    }
    this.#entries.delete(index);
    this.#planned.delete(index);
    files?.close();
    const { output, joblog } = this.#options;
    // Ungrouped output passes by, and GNU parallel does not count it.
    const printed = output.mode === 'ungroup' ? 0 : streams.stdout.bytes;
    await joblog?.add({
      seq: planned.task.seq,
      line: planned.line,
      result: result!,
      sentBytes: planned.inputBytes + result!.sentBytes,
      receivedBytes: printed + result!.receivedBytes,
    });
  }
}

async function open({ streams }: Entry): Promise<void> {
  for (const name of STREAM_NAMES) await streams[name].open();
}
