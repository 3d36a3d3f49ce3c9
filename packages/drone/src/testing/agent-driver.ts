/** Drives an agent in tests: one line per thing that happens, virtual time, and slots that do as they are told. */
import { type JobId, jobId, type Message, type Spec, sessionNumber } from '@hive/shared';
import { Agent } from '../agent/agent.ts';
import type { AgentEffect, AgentEvent, LeaseOrder } from '../agent/events.ts';

export const JOB: JobId = jobId('01900000-0000-7000-8000-000000000001');
const SPEC: Spec = { kind: 'echo', encoding: 'raw' };

export class AgentDriver {
  readonly agent: Agent;
  now = 0;
  /** What the agent wanted since `clear`. */
  effects: AgentEffect[] = [];
  /** Every lease that was started, in order. */
  readonly runs: LeaseOrder[] = [];
  /** By lease number: its run, and how much of it was reported. */
  readonly #byLease = new Map<number, { order: LeaseOrder; done: number }>();
  readonly #pending: { readonly lease: number; readonly ranges: readonly number[] }[] = [];
  #assigned = 0;

  constructor(slots: number) {
    this.agent = new Agent({ slots, kinds: ['echo'] });
    for (let slot = 0; slot < slots; slot++) this.step({ type: 'slotReady', slot });
  }

  get closed() {
    return this.effects.filter((effect) => effect.type === 'close');
  }

  step(event: AgentEvent): void {
    for (const effect of this.agent.step(event, this.now)) {
      this.effects.push(effect);
      if (effect.type !== 'startLease') continue;
      this.runs.push(effect);
      this.#byLease.set(this.#leaseOf(effect), { order: effect, done: 0 });
    }
  }

  clear(): void {
    this.effects = [];
  }

  /** What was sent on a session since `clear` or the last call. */
  sent(session: number): Message[] {
    const isMine = (effect: AgentEffect) => effect.type === 'send' && effect.session === session;
    const messages = this.effects.filter(isMine).map((effect) => (effect as { message: Message }).message);
    this.effects = this.effects.filter((effect) => !isMine(effect));
    return messages;
  }

  open(session: number, more: { queen?: string; link?: number; heartbeatMillis?: number } = {}): void {
    const { queen = 'a', link = 1, heartbeatMillis = 1_000 } = more;
    const welcome: Message<'Welcome'> = {
      type: 'Welcome',
      protocol: 1,
      session: '0'.repeat(32),
      queen: queen.repeat(32) as never,
      incarnation: '1'.repeat(16) as never,
      epoch: 1,
      name: 'queen',
      heartbeatMillis,
      frameBytesMax: 2 ** 24,
      valueBytesMax: 2 ** 20,
      capabilities: [],
    };
    this.step({ type: 'sessionOpened', session: sessionNumber(session), link, welcome });
  }

  receive(session: number, message: Message): void {
    this.step({ type: 'messageReceived', session: sessionNumber(session), message });
  }

  spec(session: number, more: Partial<Spec> = {}, job = JOB): void {
    if (job === JOB) this.#assigned ||= 1;
    this.receive(session, { type: 'JobSpec', job, spec: { ...SPEC, ...more } });
  }

  assign(
    session: number,
    lease: number,
    ranges: number[],
    more: { behind?: number; job?: JobId } = {},
  ): void {
    if (this.#assigned++ === 0) this.spec(session);
    let count = 0;
    for (let i = 1; i < ranges.length; i += 2) count += ranges[i]!;
    const behind = more.behind === undefined ? {} : { behind: more.behind as never };
    this.#pending.push({ lease, ranges });
    const data = new Uint8Array(count);
    this.receive(session, {
      type: 'TaskAssign',
      lease: lease as never,
      job: more.job ?? JOB,
      ranges,
      sizes: 1,
      data,
      ...behind,
    });
  }
  #leaseOf(order: LeaseOrder): number {
    return this.#pending.find(({ ranges }) => ranges === order.ranges)!.lease;
  }

  /** The slot has finished `count` more tasks of this lease. */
  report(lease: number, count: number, more: { size?: number; ended?: boolean } = {}): void {
    const { size = 1, ended = false } = more;
    const run = this.#byLease.get(lease)!;
    const at = run.done;
    run.done += count;
    const { slot, run: number } = run.order;
    const data = new Uint8Array(size * count);
    this.step({
      type: 'slotReported',
      slot,
      run: number,
      at,
      count,
      sizes: size,
      data,
      failures: [],
      busyMicros: 1,
      ended,
    });
  }
  finish(lease: number, count: number, more: { size?: number } = {}): void {
    this.report(lease, count, { ...more, ended: true });
  }

  /** Time goes by; every deadline on the way is kept. Slots that are looked at run `task` since then, or fold what it gave. */
  advance(millis: number, running: { task?: number; folds?: boolean } = {}): void {
    const until = this.now + millis;
    for (;;) {
      const next = this.agent.nextDeadline();
      if (next === null || next > until) break;
      this.now = Math.max(this.now, next);
      const before = this.effects.length;
      this.step({ type: 'tick' });
      for (const effect of this.effects.slice(before)) {
        if (effect.type !== 'sampleSlot') continue;
        const runningMillis = this.now;
        const folding = running.folds ? { foldingMillis: runningMillis } : {};
        const task =
          running.task === undefined ? null : { position: running.task, runningMillis, ...folding };
        this.step({ type: 'slotProgressed', slot: effect.slot, run: effect.run, task });
      }
    }
    this.now = until;
  }
}
