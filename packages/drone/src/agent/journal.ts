/**
 * What the agent tells people: counters that are complete, and lines about single leases that are not, so that a log of
 * twenty lines a second stays readable while a million tasks a second go by.
 */
import { type Failure, type Message, type Millis, readU32, type Spec } from '@hive/shared';
import type { DroneCounters } from './events.ts';
import type { Lease, ResultTexts } from './lease.ts';
import { indexAt } from './lease.ts';
import type { Turn } from './queens.ts';

const LINES_PER_SECOND = 20;
const SUMMARY_MILLIS = 1_000;

/** The short text of one value, for people; given by the runtime, which knows how values are encoded. */
export type Display = (spec: Spec, value: Uint8Array, of: 'input' | 'output') => string;

export class Journal {
  readonly #turn: Turn;
  readonly #display: Display | null;
  /** All of a value; null when nobody asked for that. */
  readonly #whole: Display | null;
  readonly #unackedBytes: () => number;
  #tokens = LINES_PER_SECOND;
  #tokensAt: Millis | null = null;
  #leases = 0;
  #succeeded = 0;
  #failed = 0;
  #busyMicros = 0;
  /** When the next summary is due; null while nothing has changed. */
  #summaryAt: Millis | null = null;

  constructor(turn: Turn, display: Display | null, whole: Display | null, unackedBytes: () => number) {
    this.#turn = turn;
    this.#display = display;
    this.#whole = whole;
    this.#unackedBytes = unackedBytes;
  }

  get counters(): DroneCounters {
    return {
      leases: this.#leases,
      succeeded: this.#succeeded,
      failed: this.#failed,
      busyMicros: this.#busyMicros,
      unackedBytes: this.#unackedBytes(),
    };
  }

  received(lease: Lease): void {
    this.#leases++;
    this.#changed();
    lease.isShown = this.#mayShow();
    if (!lease.isShown) return;
    const single = lease.count === 1;
    const value = single && this.#whole !== null ? this.#inputText(lease, this.#whole) : null;
    if (single) lease.display = this.#inputText(lease, this.#display);
    this.#turn.effects.push({
      type: 'report',
      event: {
        type: 'workReceived',
        ...namesOf(lease),
        tasks: lease.count,
        single,
        ...(lease.display === null ? {} : { display: lease.display }),
        ...(value === null ? {} : { value }),
      },
    });
  }

  finished(count: number, failures: number, busyMicros: number): void {
    this.#succeeded += count - failures;
    this.#failed += failures;
    this.#busyMicros += busyMicros;
    this.#changed();
  }

  /** Notes the texts of a finished single task, if it is shown. Its lease may end in a later report. */
  reported(lease: Lease, message: Message<'TaskComplete'>): void {
    if (!lease.isShown || lease.count !== 1 || message.count !== 1) return;
    lease.result = this.#resultTexts(lease, message);
  }

  #resultTexts(lease: Lease, message: Message<'TaskComplete'>): ResultTexts {
    const { spec } = lease;
    const failure = message.failures?.[0];
    const output = failure === undefined ? outputText(spec, message, this.#display) : failureText(failure);
    const display = lease.display === null ? output : `${lease.display} -> ${output}`;
    if (this.#whole === null) return { display };
    const isStream = (message.streams?.length ?? 0) > 0;
    if (failure === undefined && isStream) return { display };
    const value =
      failure === undefined
        ? this.#whole(spec, message.data, 'output')
        : failureText(failure, Number.POSITIVE_INFINITY);
    return { display, value };
  }

  ended(lease: Lease, startedAt: Millis, outcome: Failure['outcome']): void {
    if (!lease.isShown) return;
    this.#turn.effects.push({
      type: 'report',
      event: {
        type: 'workDone',
        ...namesOf(lease),
        tasks: lease.done,
        single: lease.count === 1,
        outcome,
        millis: this.#turn.now - startedAt,
        ...lease.result,
      },
    });
  }

  tick(): void {
    if (this.#summaryAt === null || this.#turn.now < this.#summaryAt) return;
    this.#summaryAt = null;
    this.#turn.effects.push({ type: 'report', event: { type: 'summary', counters: this.counters } });
  }

  nextDeadline(): Millis {
    return this.#summaryAt ?? Number.POSITIVE_INFINITY;
  }

  #changed(): void {
    this.#summaryAt ??= this.#turn.now + SUMMARY_MILLIS;
  }

  #mayShow(): boolean {
    const { now } = this.#turn;
    const gained = ((now - (this.#tokensAt ?? now)) * LINES_PER_SECOND) / 1_000;
    this.#tokens = Math.min(LINES_PER_SECOND, this.#tokens + gained);
    this.#tokensAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #inputText(lease: Lease, display: Display | null): string {
    const { range } = lease.spec;
    if (lease.isFold) return 'values to fold';
    if (range !== undefined) return String(range.start + indexAt(lease, 0) * range.step);
    if (lease.streams.length > 0) return `a stream of ${lease.streams[0]!.bytes} bytes`;
    const size = typeof lease.sizes === 'number' ? lease.sizes : readU32(lease.sizes, 0);
    return textOf(lease.spec, lease.data.subarray(0, size), 'input', display);
  }
}

function outputText(spec: Spec, { data, streams }: Message<'TaskComplete'>, display: Display | null): string {
  const stream = streams?.[0];
  return stream === undefined ? textOf(spec, data, 'output', display) : `a stream of ${stream.bytes} bytes`;
}

function textOf(spec: Spec, value: Uint8Array, of: 'input' | 'output', display: Display | null): string {
  return display === null ? `${value.length} bytes` : display(spec, value, of);
}

function namesOf(lease: Lease) {
  const { queen, job, spec, number } = lease;
  return { queen, job, kind: spec.kind, lease: number, index: indexAt(lease, 0) } as const;
}

function failureText({ outcome, message }: Failure, charactersMax = 120): string {
  return message === '' ? outcome : `${outcome}: ${message.slice(0, charactersMax)}`;
}
