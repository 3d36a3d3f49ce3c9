/** Drives one real slot in tests: gives it leases, gathers what it says, and waits for conditions, never for time. */
import { join } from 'node:path';
import {
  appendValue,
  jobId,
  LIMITS,
  type Page,
  PageBuilder,
  queenId,
  readValues,
  type Spec,
} from '@hive/shared';
import type { AgentEvent, LeaseOrder, SlotFailure, SlotReport, SlotStream } from '../agent/events.ts';
import { BlobCache } from '../blobs/cache.ts';
import { BlobPuller } from '../blobs/puller.ts';
import { Guardian } from '../commands/guardian.ts';
import type { OpenSandbox } from '../sandbox/setup.ts';
import { OutputFiles } from '../slots/output-files.ts';
import { Slot } from '../slots/slot.ts';

export const TEST_KINDS = { unruly: new URL('./unruly-kind.ts', import.meta.url).href };
type EventOf<T extends AgentEvent['type']> = Extract<AgentEvent, { type: T }>;

export class SlotDriver {
  readonly slot: Slot;
  readonly outputs = new OutputFiles();
  /** The Queen of its blobs: nobody, unless a test gives some to the cache. */
  readonly blobCache = new BlobCache(join(this.outputs.folder, 'blobs'), LIMITS.droneBlobBytesMax);
  readonly blobs = new BlobPuller(this.blobCache, () => {});
  readonly #guardian = new Guardian(this.outputs.folder, 1);
  /** Whether what is printed finds a reader. */
  mayTell = true;
  readonly events: AgentEvent[] = [];
  #wake: (() => void)[] = [];
  #runs = 0;
  /** Where tasks that submit work find their Queen. */
  way = { queen: '127.0.0.1:1', key: null, isForced: false };
  spec: Spec = { kind: 'echo', encoding: 'msgpack' };

  constructor(heapMiB?: number, sandbox?: OpenSandbox, tasks?: string) {
    const options = {
      kindModules: TEST_KINDS,
      outputs: this.outputs,
      guardian: this.#guardian,
      mayTell: () => this.mayTell,
      blobs: this.blobs,
      wayTo: async () => this.way,
      ...(tasks === undefined ? {} : { tasks }),
      ...(heapMiB === undefined ? {} : { heapMiB }),
      ...(sandbox === undefined ? {} : { sandbox: { ...sandbox, runs: this.outputs.folder } }),
    };
    this.slot = new Slot(0, options, (event) => {
      this.events.push(event);
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  get run(): number {
    return this.#runs;
  }

  /** Starts a lease over these inputs (or, with a range job, these ranges) once the thread is up. */
  async start(
    spec: Partial<Spec>,
    inputs: readonly unknown[],
    more: Partial<LeaseOrder> = {},
  ): Promise<void> {
    await this.next('slotReady', false);
    this.spec = { kind: 'echo', encoding: 'msgpack', ...spec };
    const builder = new PageBuilder();
    for (const input of inputs) appendValue(builder, this.spec.encoding, input);
    const { sizes, data } = builder.take();
    const order: LeaseOrder = {
      slot: 0,
      run: ++this.#runs,
      queen: queenId('0'.repeat(32)),
      job: jobId(`00000000-0000-7000-8000-${String(this.#runs).padStart(12, '0')}`),
      spec: this.spec,
      ranges: [0, inputs.length],
      end: inputs.length,
      sizes,
      data,
      streams: [],
      isFold: false,
      isWatched: false,
      ...more,
    };
    this.slot.obey({ type: 'startLease', ...order });
  }

  /** As the agent does when the running task has had enough. */
  kill(outcome: 'timedOut' | 'cancelled'): void {
    const message = `It was ${outcome}.`;
    this.slot.obey({ type: 'killSlot', slot: 0, run: this.#runs, outcome, message });
  }

  sample(): void {
    this.slot.obey({ type: 'sampleSlot', slot: 0, run: this.#runs });
  }

  /** The first event of a type that has come, or comes; it is taken out unless `isTaken` is false. */
  async next<T extends AgentEvent['type']>(type: T, isTaken = true): Promise<EventOf<T>> {
    for (;;) {
      const at = this.events.findIndex((event) => event.type === type);
      if (at >= 0) return (isTaken ? this.events.splice(at, 1)[0] : this.events[at]) as EventOf<T>;
      await this.#change();
    }
  }

  /** Looks again and again until the slot runs the task at this position. */
  async untilRunning(position: number): Promise<void> {
    for (;;) {
      this.sample();
      const { task } = await this.next('slotProgressed');
      if (task?.position === position) return;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when this lease has ended, or the thread. */
  async ended(): Promise<void> {
    const isOver = (event: AgentEvent) =>
      event.type === 'slotDied' || (event.type === 'slotReported' && event.ended);
    while (!this.events.some(isOver)) await this.#change();
  }

  /** Everything that this lease reported, up to its end or the thread's. */
  async outcome(): Promise<SlotOutcome> {
    await this.ended();
    const reports = this.events.filter((event) => event.type === 'slotReported');
    return outcomeOf(reports, this.spec);
  }

  async close(): Promise<void> {
    await this.slot.close();
    await this.#guardian.close();
    await this.outputs.close();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}

export interface SlotOutcome {
  readonly values: readonly unknown[];
  readonly failures: readonly SlotFailure[];
  readonly streams: readonly SlotStream[];
  readonly pages: readonly Page[];
}

/** The values of a run of reports, which must follow one upon the other. */
function outcomeOf(reports: readonly SlotReport[], spec: Spec): SlotOutcome {
  const failures = reports.flatMap((report) => report.failures);
  const streams = reports.flatMap((report) => report.streams ?? []);
  const failed = new Set([...failures, ...streams].map(({ position }) => position));
  const values: unknown[] = [];
  const pages: Page[] = [];
  for (const { at, count, sizes, data } of reports) {
    if (at !== values.length) throw new Error(`position ${at} was reported after ${values.length} values`);
    const page = { first: at, count, sizes, data };
    pages.push(page);
    values.push(...valuesOf(page, spec, failed));
  }
  return { values, failures, streams, pages };
}

function valuesOf(page: Page, { encoding }: Spec, failed: ReadonlySet<number>): unknown[] {
  if (failed.size === 0) return [...readValues(page, encoding)];
  const values: unknown[] = [];
  let offset = 0;
  for (let i = 0; i < page.count; i++) {
    const size =
      typeof page.sizes === 'number' ? page.sizes : new DataView(page.sizes.slice().buffer).getUint32(i * 4);
    const data = page.data.subarray(offset, offset + size);
    offset += size;
    // Of a task that failed, if it gave something all the same.
    if (failed.has(page.first + i) && size === 0) values.push(undefined);
    else values.push(...readValues({ first: 0, count: 1, sizes: size, data }, encoding));
  }
  return values;
}
