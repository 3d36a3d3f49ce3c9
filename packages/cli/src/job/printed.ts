/** Where `hive logs` finds what commands print: in the results of tasks that have ended, and live from those that run. */
import {
  type Hive,
  type JobHandle,
  type OutputStream,
  type Printed,
  readCommandResult,
  type TaskResult,
} from '@hive/client';
import { resultsSoFar } from './follow.ts';
import type { PrintedLines } from './printed-lines.ts';

export interface WhatToPrint {
  readonly hive: Hive;
  readonly job: JobHandle;
  /** Of one task; undefined: of all. */
  readonly index: number | undefined;
  readonly lines: PrintedLines;
}

/** From the results, until the job has ended; `asFinished`: not in the order of the tasks. */
export async function printKept({ job, index, lines }: WhatToPrint, asFinished: boolean): Promise<void> {
  const after = index === undefined || asFinished ? {} : { after: index };
  for await (const result of job.results({ ordered: !asFinished, streams: true, ...after })) {
    const isWanted = index === undefined || result.index === index;
    if (isWanted) await printResult(lines, result);
    else if (isStream(result.value)) result.value.close();
    if (isWanted && index !== undefined) return;
  }
}

const isStream = (value: unknown): value is OutputStream =>
  typeof (value as OutputStream | null)?.close === 'function';

/** What is printed live, and the results of what ends meanwhile (of a detached job; others have their own reader). */
export async function followPrinted(what: WhatToPrint, isAttached: boolean): Promise<void> {
  const live = liveOf(what);
  const kept = isAttached ? Promise.resolve() : printKept(what, true);
  // One task may end long before its job does.
  const ended = kept.finally(() => (what.index === undefined || isAttached ? undefined : live.return?.()));
  await Promise.all([printLive(what, live), ended]);
}

/** What has been printed so far: by tasks that have ended, then by those that run. */
export async function printSoFar(what: WhatToPrint, isAttached: boolean): Promise<void> {
  const { hive, job, index, lines } = what;
  if (!isAttached) {
    for await (const result of resultsSoFar(hive, job, true, true)) {
      if (index === undefined || result.index === index) await printResult(lines, result);
      else if (isStream(result.value)) result.value.close();
    }
  }
  const live = liveOf(what);
  const timer = setTimeout(() => void live.return?.(), LOOK_MILLIS);
  await printLive(what, live);
  clearTimeout(timer);
}

/** A Drone tells what there is within a tenth of a second. */
const LOOK_MILLIS = 1_000;

const liveOf = ({ job, index }: WhatToPrint) => job.output(index === undefined ? {} : { index });

async function printLive({ lines }: WhatToPrint, live: AsyncIterable<Printed>): Promise<void> {
  for await (const { index, run, stream, offset, data } of live) {
    await lines.live(index, run, stream, offset, data);
  }
}

async function printResult(lines: PrintedLines, { index, outcome, value, error }: TaskResult): Promise<void> {
  if (outcome !== 'succeeded' && value === undefined) {
    if (outcome !== 'cancelled') await lines.kept(index, 'stderr', 0, new Uint8Array(0), true);
    process.stderr.write(
      `hive logs: task ${index} ${outcome === 'timedOut' ? 'timed out' : outcome}: ${error!.message}\n`,
    );
    await lines.kept(index, 'stdout', 0, new Uint8Array(0), true);
    return;
  }
  const result = await readCommandResult(value);
  for (const stream of ['stderr', 'stdout'] as const) {
    let offset = 0;
    for await (const chunk of result[stream].chunks()) {
      await lines.kept(index, stream, offset, chunk, false);
      offset += chunk.length;
    }
    await lines.kept(index, stream, offset, new Uint8Array(0), true);
  }
  if (error !== undefined) process.stderr.write(`hive logs: task ${index} ${outcome}: ${error.message}\n`);
}
