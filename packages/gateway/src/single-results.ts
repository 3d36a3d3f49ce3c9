/**
 * The results of jobs of one task, which belong to the job's own document. Each is read once, for all who ask at that
 * moment, and remembered: a result does not change, and who polls a job asks for it again and again.
 *
 * Memory: at most 64 MiB of them.
 */
import {
  type CommandOutput,
  type Hive,
  type JobInfo,
  readCommandResult,
  type TaskResult,
} from '@hive/client';
import { UsageError } from '@hive/shared';
import { type CommandOutcome, outcomeOf, type Told } from './command-outcome.ts';
import { hasEnded, isSingle } from './job-view.ts';
import { jsonOf } from './ndjson/value-json.ts';
import { outputUrl } from './paths.ts';
import type { ResultBody } from './schemas.ts';

/** Bytes of each output that a result carries; `output_url` says where all of it is. */
const OUTPUT_BYTES_MAX = 1024 * 1024;
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** What an entry costs besides its texts. */
const ENTRY_BYTES = 512;

export class SingleResults {
  readonly #reading = new Map<string, Promise<ResultBody | null>>();
  readonly #held = new Map<string, ResultBody>();
  #heldBytes = 0;

  /** Null for a job of many tasks, one that has not ended, or whose task never ran. */
  of(open: () => Promise<Hive>, info: JobInfo): Promise<ResultBody | null> {
    if (!isSingle(info) || !hasEnded(info)) return Promise.resolve(null);
    // A job that was retried ends anew.
    const key = `${info.id} ${info.endedAt}`;
    const held = this.#held.get(key);
    if (held !== undefined) return Promise.resolve(held);
    let reading = this.#reading.get(key);
    if (reading === undefined) {
      reading = open()
        .then((hive) => read(hive, info))
        .then((result) => this.#keep(key, result))
        .finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }

  #keep(key: string, result: ResultBody | null): ResultBody | null {
    if (result === null) return null;
    this.#held.set(key, result);
    this.#heldBytes += costOf(result);
    for (const [old, oldest] of this.#held) {
      if (this.#heldBytes <= HELD_BYTES_MAX) break;
      this.#held.delete(old);
      this.#heldBytes -= costOf(oldest);
    }
    return result;
  }
}

const costOf = ({ stdout, stderr, value }: ResultBody): number =>
  2 * (stdout.length + stderr.length + (value === undefined ? 0 : JSON.stringify(value).length)) +
  ENTRY_BYTES;

async function read(hive: Hive, { id, kind }: JobInfo): Promise<ResultBody | null> {
  const [task, { attempts }] = await Promise.all([firstOf(hive, id), hive.task(id, 0)]);
  const last = attempts.at(-1);
  if (task === null && last === undefined) return null;
  const result: ResultBody = {
    job_id: id,
    executor_node_id: last?.drone ?? null,
    exit_code: null,
    stdout: '',
    stderr: '',
    started_at: last?.startedAt ?? null,
    finished_at: last?.endedAt ?? null,
  };
  if (task === null) return { ...result, stderr: last?.message ?? '' };
  if (task.outcome !== 'succeeded') {
    const { error, value } = task;
    const failed = {
      ...result,
      stderr: error.message,
      error,
    };
    return value === undefined ? failed : { ...failed, ...(await printedIn(id, value)) };
  }
  if (kind === 'command' && !(task.value instanceof Uint8Array))
    return { ...result, ...(await printedIn(id, task.value)) };
  return { ...result, value: plainOf(task.value) };
}

/** The result of the first task, read to the end, so that the session has done with the job. */
async function firstOf(hive: Hive, id: string): Promise<TaskResult | null> {
  const handle = await hive.open(id);
  let first: TaskResult | null = null;
  for await (const task of handle.results({ streams: true })) {
    if (task.index !== 0) continue;
    // What is over 1 MiB is read here, as long as its stream is known.
    first = isLarge(task.value) ? ({ ...task, value: await takeLarge(task.value) } as TaskResult) : task;
  }
  await handle.done;
  return first;
}

interface Large {
  readonly bytes: number;
  chunks(): AsyncIterable<Uint8Array>;
  close(): void;
}
const isLarge = (value: unknown): value is Large => typeof (value as Large | null)?.chunks === 'function';

/** A command's output as far as it is told, or how large another value is. */
async function takeLarge(value: Large): Promise<unknown> {
  try {
    return { taken: await commandFields(value) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { bytes: value.bytes };
  } finally {
    value.close();
  }
}

/** Where all of it can be read, if this is not all. */
async function printedIn(job: string, value: unknown): Promise<Partial<ResultBody>> {
  const fields = await commandFields(value);
  return fields.truncated ? { ...fields, output_url: outputUrl(job) } : fields;
}

async function commandFields(value: unknown): Promise<CommandOutcome> {
  const taken = (value as { taken?: CommandOutcome } | null)?.taken;
  if (taken !== undefined) return taken;
  const result = await readCommandResult(value);
  // In this order they stand in a stream.
  const stderr = await toldOf(result.stderr);
  const stdout = await toldOf(result.stdout);
  return outcomeOf(result, stdout, stderr);
}

async function toldOf(output: CommandOutput): Promise<Told> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of output.chunks()) {
    parts.push(chunk.subarray(0, OUTPUT_BYTES_MAX - bytes));
    bytes += chunk.length;
    if (bytes > OUTPUT_BYTES_MAX) break;
  }
  return {
    text: Buffer.concat(parts).toString('utf8'),
    isCut: output.cut !== null || bytes > OUTPUT_BYTES_MAX,
    bytes: output.bytes + (output.cut?.bytes ?? 0),
  };
}

/** Bytes anywhere in it become base64, as in the results of many tasks. */
const plainOf = (value: unknown): unknown => JSON.parse(jsonOf(value));
