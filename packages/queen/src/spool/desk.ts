/**
 * Where values over 1 MiB meet the runtime: it sees every message before the scheduler does, holds those whose values must
 * be here first, gives files their names in the turn in which they are recorded, serves them to whoever reads, and removes
 * them after what dropped them is durable.
 */
import type { JobId, LeaseNumber, Message, SessionNumber, Streamed } from '@hive/shared';
import { StreamServer } from '@hive/shared';
import type { Connection } from '@hive/shared/node';
import type { Effects, Scheduler, StoreRecord } from '../scheduler/index.ts';
import type { Store } from '../store/store.ts';
import { type Arrivals, type Holdable, Intake } from './intake.ts';
import type { Spool } from './spool.ts';

export interface DeskDoors {
  readonly spool: Spool;
  readonly store: Store;
  readonly scheduler: Scheduler;
  connectionOf(session: SessionNumber): Connection | undefined;
  /** Steps a message that was held. */
  step(session: SessionNumber, message: Holdable): void;
}
type WithStreams = Extract<StoreRecord, { readonly streams: readonly Streamed[]; readonly page: unknown }>;

export class SpoolDesk {
  readonly #doors: DeskDoors;
  readonly #spool: Spool;
  readonly #intake: Intake;
  readonly #servers = new Map<SessionNumber, StreamServer>();
  /** Values of messages that were let through and not stepped yet. */
  readonly #arrivals = new Map<Message, Arrivals>();

  constructor(doors: DeskDoors) {
    this.#doors = doors;
    this.#spool = doors.spool;
    this.#intake = new Intake(doors.spool, {
      ask: (session, get) => doors.connectionOf(session)?.send(get),
      pass: (session, message, arrivals) => {
        if (arrivals.size > 0) this.#arrivals.set(message, arrivals);
        doors.step(session, message);
      },
      isDiskLow: () => doors.scheduler.state.isStoreLow,
    });
  }

  /** True when the message is dealt with, or held and stepped later. */
  receive(session: SessionNumber, message: Message): boolean {
    switch (message.type) {
      case 'TaskComplete':
        return this.#reported(session, message);
      case 'Retracted':
        return !this.#intake.isIdle && this.#reported(session, message);
      case 'Append':
      case 'Seal':
        return this.#appended(session, message);
      case 'StreamGet':
        return this.#serve(session, message);
      case 'StreamChunk':
        return this.#intake.arrived(session, message);
      default:
        return false;
    }
  }

  closed(session: SessionNumber): void {
    this.#intake.closed(session);
    this.#servers.get(session)?.reset();
    this.#servers.delete(session);
  }

  /** The session's send buffer has room. */
  drained(session: SessionNumber): void {
    this.#servers.get(session)?.pump();
  }

  /** A message was stepped: what it brought and was recorded gets its name. Before the records are kept. */
  stepped(message: Message, { append }: Effects): void {
    if (this.#arrivals.size === 0) return;
    const arrivals = this.#arrivals.get(message);
    if (arrivals === undefined) return;
    this.#arrivals.delete(message);
    const left = new Map(arrivals);
    for (const record of append) {
      if (!hasStreams(record)) continue;
      const direction = record.type === 'resultsRecorded' ? 'out' : 'in';
      for (const { index } of record.streams) {
        const path = left.get(index);
        if (path === undefined) continue;
        left.delete(index);
        this.#spool.adopt(path, record.job, direction, index);
      }
    }
    for (const path of left.values()) void this.#spool.discard(path);
  }

  /** What these records drop; to be called before they are kept, and the answer, if any, once they are durable. */
  dropped({ append }: Effects): (() => void) | null {
    if (this.#spool.isEmpty) return null;
    const removals: (() => Promise<void>)[] = [];
    for (const record of append) {
      if (!('job' in record) || !this.#spool.has(record.job)) continue;
      const { job } = record;
      if (record.type === 'jobRemoved') removals.push(() => this.#spool.dropJob(job));
      else if (record.type === 'resultsDropped') {
        const indices = record.seqs.flatMap((seq) => this.#streamsOf(job, seq));
        if (indices.length > 0) removals.push(() => this.#spool.drop(job, 'out', indices));
      } else if (record.type === 'inputsDropped') {
        const indices = this.#spool.inputsWithin(job, record.first, record.count);
        if (indices.length > 0) removals.push(() => this.#spool.drop(job, 'in', indices));
      }
    }
    if (removals.length === 0) return null;
    return () => {
      for (const remove of removals) void remove();
    };
  }

  #streamsOf(job: JobId, seq: number): number[] {
    return (this.#doors.store.readResults(job, seq)?.streams ?? []).map(({ index }) => index);
  }

  /** A report is held while its values, or those of an earlier one about the same place, are taken in. */
  #reported(session: SessionNumber, message: Message<'TaskComplete' | 'Retracted'>): boolean {
    const streams = message.type === 'TaskComplete' ? message.streams : undefined;
    if (streams === undefined && this.#intake.isIdle) return false;
    const { state } = this.#doors.scheduler;
    const incarnation = message.type === 'TaskComplete' ? message.incarnation : undefined;
    const lease = state.leases.get(message.lease);
    const key = leaseKey(message.lease, incarnation);
    const ahead = incarnation === undefined ? lease?.previous : undefined;
    const behind = ahead ? leaseKey(ahead.number) : null;
    const isBehind =
      this.#intake.isHolding(session, key) || (behind !== null && this.#intake.isHolding(session, behind));
    const told = message.type === 'TaskComplete' ? message.job : undefined;
    const job = told === undefined ? lease?.job : state.jobs.get(told);
    // Of a job that is not there or has ended nothing is recorded, and of a task that has an outcome neither.
    const wanted = job?.isActive ? (streams ?? []).filter(({ index }) => !job.recorded.has(index)) : [];
    if (wanted.length === 0 && !isBehind) return false;
    this.#intake.hold(session, key, behind, {
      message,
      streams: wanted,
      get: {
        type: 'StreamGet',
        job: job?.id ?? ('' as JobId),
        direction: 'out',
        lease: message.lease,
        ...(incarnation === undefined ? {} : { incarnation }),
      },
    });
    return true;
  }

  /** The inputs of an attached job stay with its client. */
  #appended(session: SessionNumber, message: Message<'Append' | 'Seal'>): boolean {
    const streams = message.type === 'Append' ? message.streams : undefined;
    if (streams === undefined && this.#intake.isIdle) return false;
    const { job: id } = message;
    const job = this.#doors.scheduler.state.jobs.get(id);
    const isKept = job !== undefined && !job.isAttached && job.isActive && job.ownerSession === session;
    const wanted = isKept ? (streams ?? []).filter(({ index }) => index >= job.appended) : [];
    if (wanted.length === 0 && !this.#intake.isHolding(session, id)) return false;
    const get = { type: 'StreamGet', job: id, direction: 'in' } as const;
    this.#intake.hold(session, id, null, { message, streams: wanted, get });
    return true;
  }

  #serve(session: SessionNumber, get: Message<'StreamGet'>): boolean {
    const isDrone = this.#doors.scheduler.state.sessions.get(session)?.drone !== null;
    if (
      isDrone ? get.direction === 'out' || !this.#spool.hasInput(get.job, get.index) : get.direction === 'in'
    )
      return false;
    const connection = this.#doors.connectionOf(session);
    if (connection === undefined) return false;
    let server = this.#servers.get(session);
    if (server === undefined) {
      server = new StreamServer(connection, ({ job, direction, index }) =>
        this.#spool.source(job, direction, index),
      );
      this.#servers.set(session, server);
    }
    server.get(get);
    return true;
  }
}

const leaseKey = (lease: LeaseNumber, incarnation: string = ''): string => `lease ${lease} ${incarnation}`;

function hasStreams(record: StoreRecord): record is WithStreams {
  return (record.type === 'resultsRecorded' || record.type === 'inputsAppended') && record.streams.length > 0;
}
