/**
 * What commands print while they run, as far as it has been passed on: pieces come live, the rest with the result. Who
 * misses a piece, because it came too fast, gets everything from there on with the result, so nothing is lost or doubled.
 */
import type { Printed } from '@hive/client';
import type { CommandEvent, CommandResult } from '../command-task.ts';
import { chunksOf, STREAM_NAMES, type StreamName } from '../output/task-output.ts';

/** One execution of one task of the job. */
interface Execution {
  readonly run: number;
  /** Bytes of each that have been passed on. */
  readonly passed: Record<StreamName, number>;
}

export class LiveOutput {
  /** By their index in the job. */
  readonly #executions = new Map<number, Execution>();

  /** What of a piece is to be passed on: it goes on where the last one ended; else null. */
  pass({ index, run, stream, offset, data }: Printed): Uint8Array | null {
    let execution = this.#executions.get(index);
    if (execution === undefined || run > execution.run) {
      execution = { run, passed: { stdout: 0, stderr: 0 } };
      this.#executions.set(index, execution);
    }
    const { passed } = execution;
    if (run < execution.run || offset !== passed[stream] || data.length === 0) return null;
    passed[stream] += data.length;
    return data;
  }

  /** What a command printed and was not passed on. @param inJob its index in the job */
  async *rest(index: number, inJob: number, result: CommandResult): AsyncGenerator<CommandEvent> {
    const passed = this.#executions.get(inJob)?.passed;
    this.#executions.delete(inJob);
    for (const stream of STREAM_NAMES) {
      let skip = passed?.[stream] ?? 0;
      for await (const chunk of chunksOf(result[stream])) {
        const data = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - data.length;
        if (data.length > 0) yield { type: 'output', index, stream, data };
      }
    }
  }
}
