/**
 * Drones, clients, observers and tasks that say anything at all, in any order: messages that are well formed, with numbers that are almost right. None
 * of it may throw out of the scheduler, which would end the Queen, or leave her in a state that does not add up.
 */
import { jobId, MESSAGES, type Message, peerId, type Role, type SessionNumber } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const JOBS = Array.from({ length: 40 }, (_, n) =>
  jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`),
);

/** Numbers that are the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Liars {
  readonly stage = new Stage();
  readonly #random: () => number;
  readonly #said: string[] = [];
  #sessions: { readonly session: SessionNumber; readonly role: Role }[] = [];
  #leases: Message<'TaskAssign'>[] = [];
  #incarnations = [`${'0'.repeat(15)}1`];

  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)]!;
  }
  #maybe<T extends object>(more: T, chance = 0.3): T | object {
    return this.#random() < chance ? more : {};
  }
  #number(): number {
    return this.#one([0, 0, 1, 1, 2, 3, 5, 8, 100, 131_072, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]);
  }
  #page(first = this.#number(), count = this.#one([0, 1, 1, 2, 3, 8])) {
    const size = this.#one([0, 1, 4]);
    const uniform = { first, count, sizes: size, data: new Uint8Array(size * count) };
    if (this.#random() < 0.7) return uniform;
    const sizes = Buffer.alloc(4 * count);
    for (let n = 0; n < count; n++) sizes.writeUInt32BE(1, 4 * n);
    return { ...uniform, sizes: new Uint8Array(sizes), data: new Uint8Array(count) };
  }

  join(): void {
    const role = this.#one<Role>([
      'drone',
      'drone',
      'drone',
      'client',
      'client',
      'observer',
      'node',
      'client',
    ]);
    const peer = peerId(this.#one(['a', 'b', 'c', 'd']).repeat(32));
    const lease =
      this.#leases.length > 0 && role === 'client' && this.#random() < 0.4 ? this.#one(this.#leases) : null;
    const task =
      lease === null ? {} : { task: { job: lease.job, lease: lease.lease, token: new Uint8Array(0) } };
    const drone =
      role === 'drone' ? { slots: this.#one([1, 2, 8]), kinds: ['echo', 'function', 'command'] } : {};
    const more = { ...drone, ...task, capabilities: this.#one([[], ['turns']]) };
    const session = this.stage.join(role, peer, more);
    this.#sessions.push({ session, role });
    if (role !== 'drone') return;
    this.#say(session, {
      type: 'Holdings',
      leases: this.#random() < 0.7 ? [] : [this.#held(), this.#held()],
    });
    this.#say(session, { type: 'TaskRequest', slots: this.#one([1, 8, -1]) });
  }

  #held(): Message<'Holdings'>['leases'][number] {
    const lease = this.#leases.length > 0 ? this.#one(this.#leases) : null;
    return {
      queen: 'a'.repeat(32) as never,
      incarnation: this.#one(this.#incarnations) as never,
      lease: (lease?.lease ?? this.#number()) as never,
      job: lease?.job ?? this.#one(JOBS),
      ranges: this.#random() < 0.6 && lease !== null ? lease.ranges : [this.#below(4), 1 + this.#below(4)],
      done: this.#below(3),
      ...this.#maybe({ startedMillis: this.#number() }),
      ...this.#maybe({ fold: true }, 0.1),
    };
  }

  #spec(): Message<'Submit'>['spec'] {
    const kind = this.#one(['echo', 'echo', 'function', 'command']);
    const isGraph = this.#random() < 0.15;
    const isFolded = !isGraph && this.#random() < 0.3;
    return {
      kind,
      encoding: 'msgpack',
      ...this.#maybe(
        { range: { start: 0, step: 1, count: this.#one([0, 1, 3, 20, 1_000]) } },
        isGraph ? 0 : 0.6,
      ),
      ...(isGraph ? { graph: this.#one(['failChildren', 'runChildren'] as const) } : {}),
      ...(isFolded ? { reduce: { op: this.#one(['sum', 'count'] as const) } } : {}),
      ...this.#maybe({ attached: false }, 0.5),
      ...this.#maybe({ hidden: true }, 0.2),
      ...this.#maybe({ retries: this.#one([0, 1]) }),
      ...this.#maybe({ slots: this.#one([1, 2, 8]) }, 0.15),
      ...this.#maybe({ nested: true }, 0.25),
      ...this.#maybe({ concurrency: 3 }, 0.2),
      ...this.#maybe({ parent: this.#one(JOBS) }, 0.25),
      ...this.#maybe({ after: [{ job: this.#one(JOBS), on: this.#one(['success', 'end'] as const) }] }, 0.15),
      ...this.#maybe({ haltOn: { failures: 1 } }, 0.1),
      ...this.#maybe({ crashLimit: 1 }, 0.2),
      ...this.#maybe({ queueTimeoutMillis: this.#one([0, 1, 5_000]) }, 0.2),
      ...this.#maybe({ deadlineMillis: this.#one([0, 10_000]) }, 0.1),
      ...this.#maybe({ retentionMillis: this.#one([0, 1_000]) }, 0.2),
      ...this.#maybe({ priority: this.#one([-1_000, 1_000]) }, 0.2),
      ...this.#maybe({ params: { sandbox: this.#one(['bwrap', 'none', { level: 'x' }]) } }, 0.2),
    } as never;
  }

  #clientSays(): Message {
    const job = this.#one(JOBS);
    const request = this.#number();
    const appended = this.stage.job(job)?.appended ?? 0;
    switch (this.#below(12)) {
      case 0:
      case 1:
      case 2: {
        const { count, sizes, data } = this.#page();
        const spec = this.#random() < 0.2 ? (this.stage.job(job)?.spec ?? this.#spec()) : this.#spec();
        return {
          type: 'Submit',
          job,
          spec,
          ...this.#maybe({ inputs: { count, sizes, data } }),
          ...this.#maybe({ follow: false }, 0.2),
        };
      }
      case 3:
      case 4: {
        const page = this.#page(this.#one([appended, appended, appended, 0, this.#number()]));
        const parents = Array.from({ length: page.count }, () => 0);
        const lists = this.#one([parents, parents.flatMap((_, n) => [1, this.#below(appended + n + 1)])]);
        return {
          type: 'Append',
          job,
          ...page,
          ...this.#maybe({ parents: lists }, this.stage.job(job)?.graph ? 0.9 : 0.05),
          ...this.#maybe({ streams: [{ index: page.first, bytes: this.#number() }] }, 0.1),
        };
      }
      case 5:
        return { type: 'Seal', job, count: this.#one([appended, appended, this.#number()]) };
      case 6:
      case 7:
        return {
          type: 'ResultCredit',
          job,
          bytes: this.#number(),
          ...this.#maybe({ order: this.#one(['seq', 'index'] as const), after: this.#number() }, 0.5),
          ...this.#maybe({ received: this.#number() }),
        };
      case 8:
        return {
          type: 'Cancel',
          request,
          job,
          ...this.#maybe({ indices: [this.#number(), this.#number()] }, 0.7),
        };
      case 9:
        return {
          type: 'Query',
          request,
          about: this.#one(['status', 'drones', 'nodes', 'jobs', 'job', 'explain', 'task', 'keys'] as const),
          ...this.#maybe({ job, index: this.#number() }, 0.7),
          ...this.#maybe({
            limit: this.#number() % 2 ** 32,
            before: this.#number(),
            olderThan: this.#one(['', 'x', '2']),
            everywhere: true,
          }),
        };
      case 10:
        return this.#one<Message>([
          { type: 'Watch', everyMillis: this.#number() % 2 ** 32 },
          { type: 'WatchOutput', job, on: this.#random() < 0.6 },
          {
            type: 'StreamChunk',
            job,
            index: 0,
            direction: 'in',
            offset: 0,
            data: new Uint8Array(1),
            lease: this.#lease(0 as never).lease,
          },
          { type: 'BlobGet', hash: 'a'.repeat(64), offset: 0, length: 1 },
          { type: 'Heartbeat' },
        ]);
      default:
        return {
          type: 'Manage',
          request,
          action: this.#one(['retry', 'retry', 'drain', 'resume', 'gc', 'revokeKey'] as const),
          ...this.#maybe({ job, drone: 'd', key: 'none' }, 0.8),
        };
    }
  }

  /** Of its own, as a rule. */
  #lease(session: SessionNumber): Message<'TaskAssign'> {
    const own = [...(this.stage.state.sessions.get(session)?.drone?.leases.values() ?? [])];
    if (own.length > 0 && this.#random() < 0.9) {
      const { number: lease, job, ranges, fold } = this.#one(own);
      return { type: 'TaskAssign', lease, job: job.id, ranges, ...(fold === null ? {} : { fold: 1 }) };
    }
    if (this.#leases.length > 0 && this.#random() < 0.95) return this.#one(this.#leases.slice(-12));
    return { type: 'TaskAssign', lease: this.#number() as never, job: this.#one(JOBS), ranges: [0, 1] };
  }

  #droneSays(session: SessionNumber): Message {
    const { lease, job, ranges, fold } = this.#lease(session);
    const known = this.stage.state.leases.get(lease);
    const at = this.#random() < 0.97 ? (known?.done ?? 0) : this.#below(4);
    const end = known?.end ?? ranges[1]!;
    const first = known !== undefined && at < end ? known.indexAt(at) : ranges[0]! + at;
    const run = known !== undefined && at < end ? Math.min(known.runAt(at), end - at) : 1;
    switch (this.#below(8)) {
      case 0:
        return { type: 'Retracted', lease, end: this.#one([0, at, end, this.#number()]) };
      case 1:
        return {
          type: 'TaskRequest',
          slots: this.#one([1, 8, -8, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]),
        };
      case 2:
        return this.#one<Message>([
          {
            type: 'StreamGet',
            job,
            index: 0,
            direction: this.#one(['in', 'out']),
            offset: 0,
            length: 1,
            lease,
          },
          {
            type: 'TaskOutput',
            lease,
            index: this.#below(3),
            stream: 'stdout',
            offset: 0,
            data: new Uint8Array(1),
          },
          { type: 'DialBack', lease },
          { type: 'BlobGet', hash: 'a'.repeat(64), offset: 0, length: 1 },
          { type: 'Drain' },
          { type: 'Holdings', leases: [] },
        ]);
      default: {
        const count = this.#random() < 0.97 ? Math.max(0, run - this.#one([0, 0, 1])) : this.#below(3);
        const isFolded = this.stage.job(job)?.folds != null && fold === undefined;
        const failing = this.#random() < 0.25 ? count : isFolded ? 0 : this.#below(2);
        const failures = Array.from({ length: Math.min(count, failing) }, (_, n) => ({
          index: first + n,
          outcome: this.#one(['failed', 'timedOut', 'crashed', 'cancelled'] as const),
          message: 'no',
          ...this.#maybe({ retryable: false }),
        }));

        const isReduced = this.#random() < (isFolded && failures.length === 0 ? 0.99 : 0.005);
        const { sizes, data } = isReduced ? { sizes: 1, data: new Uint8Array(1) } : this.#page(first, count);
        return {
          type: 'TaskComplete',
          lease,
          at,
          first,
          count,
          sizes,
          data,
          busyMicros: this.#number(),
          ...(failures.length > 0 ? { failures } : {}),
          ...(isReduced ? { reduced: true } : {}),
          ...this.#maybe({ ended: true, request: true }, 0.5),
          ...this.#maybe({ finish: true }, 0.05),
          ...this.#maybe({ streams: [{ index: first, bytes: 1 }] }, 0.05),
          ...this.#maybe(
            { incarnation: this.#one(this.#incarnations), job: this.#one([job, this.#one(JOBS)]) },
            0.1,
          ),
        } as never;
      }
    }
  }

  #say(session: SessionNumber, message: Message): void {
    const wrong = MESSAGES[message.type].problem(message);
    if (wrong !== null) throw new Error(`the test says what is not well formed: ${message.type} ${wrong}`);
    this.#said.push(JSON.stringify({ session, ...message }));
    this.stage.say(session, message as never);
  }

  #gather(): void {
    for (const { message } of this.stage.said.splice(0))
      if (message.type === 'TaskAssign') this.#leases.push(message);
    this.#leases = this.#leases.slice(-60);
    this.#sessions = this.#sessions.filter(({ session }) => this.stage.state.sessions.has(session));
  }

  step(): void {
    const what = this.#random();
    if (this.#sessions.length < 5 || what < 0.02) this.join();
    else if (what < 0.025) this.stage.lose(this.#one(this.#sessions).session);
    else if (what < 0.028) {
      this.stage.restart(this.#one([0, 20_000]));
      this.#incarnations.push(String(this.stage.state.identity.epoch).padStart(16, '0'));
    } else if (what < 0.1) this.stage.advance(this.#one([0, 1, 100, 100, 3_000, 3_000, 20_000]));
    else {
      const { session, role } = this.#one(this.#sessions);
      this.#say(session, role === 'drone' ? this.#droneSays(session) : this.#clientSays());
    }
    this.#gather();
  }

  /** What adds up, whatever was said. */
  check(): void {
    for (const job of this.stage.state.jobs.values()) {
      let running = 0;
      for (const lease of job.leases) if (lease.isLive) running += lease.open;
      expect(job.running).toBe(running);
      expect(job.recorded.size).toBeLessThanOrEqual(job.appended);
    }
  }

  get last(): string {
    return this.#said.slice(-8).join('\n');
  }
}

const SEEDS = Number(process.env['FUZZ_SEEDS'] ?? 10);
test('nothing that is well formed throws, whoever says it', () => {
  for (let seed = Number(process.env['FUZZ_FROM'] ?? 1); seed <= SEEDS; seed++) {
    const liars = new Liars(seed);
    for (let n = 0; n < 600; n++) {
      try {
        liars.step();
        liars.check();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${n}: ${(error as Error).stack}\n${liars.last}`, {
          cause: error,
        });
      }
    }
  }
});
