/**
 * The order of append and send, with the real runtime and store: nothing that is said after a commit is said before what
 * it rests on is on the disk, wherever the process ends and whichever operation fails.
 */
import { join } from 'node:path';
import { type Message, type PeerId, peerId, type SessionNumber, sessionNumber } from '@hive/shared';
import type { Connection } from '@hive/shared/node';
import { describe, expect, test } from '@jest/globals';
import { BlobShelf } from './blobs/shelf.ts';
import { Runtime } from './runtime.ts';
import { Scheduler, type State, type StoreRecord } from './scheduler/index.ts';
import { Spool } from './spool/spool.ts';
import { StoreError } from './store/sqlite/errors.ts';
import { SqliteStore } from './store/sqlite/sqlite-store.ts';
import { copyOfDisk, folder, removeFoldersAfterEach } from './testing/folders.ts';
import { JOB, OTHER, pageOf } from './testing/store-conformance.ts';

removeFoldersAfterEach();
const START = 1_700_000_000_000;
const CLIENT = sessionNumber(1);
const DRONE = sessionNumber(2);
type Operation = 'keep' | 'commit' | 'send';

/** A store that can fail, and says when anything is done with it. */
class WatchedStore extends SqliteStore {
  readonly #before: (operation: Operation) => void;
  constructor(data: string, simulatedMillis: number, before: (operation: Operation) => void) {
    super({ data, simulatedMillis }, () => 'a'.repeat(32), START);
    this.#before = before;
  }
  override keep(records: readonly StoreRecord[]): void {
    this.#before('keep');
    super.keep(records);
  }
  override commit(): Promise<void> | null {
    this.#before('commit');
    return super.commit();
  }
}

/** A session in which a client and a Drone do everything once; the test sees every operation before it happens. */
class Session {
  readonly data = folder();
  readonly store: WatchedStore;
  readonly runtime: Runtime;
  /** What was said so far. */
  readonly said: Message[] = [];
  /** Tasks of each lease. */
  readonly leases = new Map<number, number[]>();

  constructor(simulatedMillis: number, before: (operation: Operation, session: Session) => void) {
    this.store = new WatchedStore(this.data, simulatedMillis, (operation) => before(operation, this));
    let now = START;
    this.runtime = new Runtime({
      identity: identity(this.store.identity.epoch),
      store: this.store,
      spool: new Spool(join(this.data, 'streams'), true),
      shelf: new BlobShelf(join(this.data, 'blobs'), true),
      clock: () => now++,
      onNotice: () => {},
      storeRetryMillis: 1,
    });
    this.runtime.recover();
    for (const session of [CLIENT, DRONE]) {
      const connection = {
        isClosed: false,
        bufferedBytes: 0,
        bytesIn: 0,
        flush: () => {},
        end: () => {},
        send: (message: Message) => {
          this.said.push(message);
          before('send', this);
          if (message.type === 'TaskAssign') this.#work(message);
        },
      };
      this.runtime.admit(session, connection as unknown as Connection);
    }
  }

  async run(): Promise<void> {
    this.#join(CLIENT, 'client', peerId('c'.repeat(32)));
    this.#join(DRONE, 'drone', peerId('d'.repeat(32)));
    this.#say(DRONE, { type: 'Holdings', leases: [] });
    this.#say(DRONE, { type: 'TaskRequest', slots: 2 });
    this.#say(CLIENT, { type: 'Submit', job: JOB, spec: { kind: 'echo', encoding: 'raw' } });
    this.#say(CLIENT, { type: 'ResultCredit', job: JOB, bytes: 10_000, order: 'seq', after: 0 });
    await this.#heard('Accepted', 1);
    this.#say(CLIENT, { type: 'Append', job: JOB, ...pageOf(0, 9) });
    await this.#heard('Results', 3);
    this.#say(CLIENT, { type: 'ResultCredit', job: JOB, bytes: 0, received: 1 });
    this.#say(CLIENT, { type: 'Append', job: JOB, ...pageOf(9, 1) });
    this.#say(CLIENT, { type: 'Seal', job: JOB, count: 10 });
    await this.#heard('JobDone', 1);
    this.#say(CLIENT, {
      type: 'Submit',
      job: OTHER,
      spec: { kind: 'echo', encoding: 'raw', attached: false },
    });
    this.#say(CLIENT, { type: 'Cancel', request: 1, job: OTHER });
    await this.#heard('Answer', 1);
    await this.#heard('JobDone', 2);
  }

  async close(): Promise<void> {
    this.runtime.stop('the test is over');
    await this.store.close();
  }

  /** What the Drone makes of a lease: everything succeeds, one page for each run. */
  #work({ lease, ranges }: Message<'TaskAssign'>): void {
    const tasks: number[] = [];
    for (let i = 0; i < ranges.length; i += 2) {
      const [first, count] = [ranges[i]!, ranges[i + 1]!];
      const at = tasks.length;
      for (let k = 0; k < count; k++) tasks.push(first + k);
      const ends = i + 2 === ranges.length ? { ended: true, request: true } : {};
      this.#say(DRONE, { type: 'TaskComplete', lease, at, ...pageOf(first, count), busyMicros: 5, ...ends });
    }
    this.leases.set(lease, tasks);
  }
  #join(session: SessionNumber, role: 'client' | 'drone', peer: PeerId): void {
    const hello: Message<'Hello'> = {
      type: 'Hello',
      magic: 'hive',
      protocolMin: 1,
      protocolMax: 1,
      role,
      peer,
      name: role,
      capabilities: [],
      ...(role === 'drone' ? { slots: 2, kinds: ['echo'] } : {}),
    };
    this.runtime.push({ type: 'peerJoined', session, hello, address: 'here', sessionId: '0'.repeat(32) });
  }
  #say(session: SessionNumber, message: Message): void {
    this.runtime.push({ type: 'messageReceived', session, message });
  }
  async #heard(type: Message['type'], times: number): Promise<void> {
    while (this.said.filter((message) => message.type === type).length < times) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

const identity = (epoch: number) => ({
  queen: 'a'.repeat(32),
  incarnation: 'f'.repeat(16),
  epoch,
  name: 'queen',
  store: 'sqlite',
  isDurable: true,
  startedAt: START,
  formatTime: (at: number) => new Date(at).toISOString(),
  chance: () => 0.5,
});

/** The state that a crash right now would leave behind. */
async function afterCrash(data: string): Promise<State> {
  const store = new SqliteStore({ data }, () => 'a'.repeat(32), START);
  const scheduler = new Scheduler(identity(store.identity.epoch));
  scheduler.recover(store.recover(), START + 10_000);
  await store.close();
  return scheduler.state;
}

/** Everything that was said after a commit is so in that state. */
function expectTrue(said: readonly Message[], leases: Session['leases'], state: State): void {
  for (const message of said) {
    if (!('job' in message) && message.type !== 'ResultAck' && message.type !== 'Answer') continue;
    const job = state.jobs.get((message as { job?: never }).job ?? JOB);
    if (message.type === 'Accepted' || message.type === 'InputCredit') {
      expect(job?.appended).toBeGreaterThanOrEqual(message.count);
    } else if (message.type === 'ResultAck') {
      for (let i = 0; i < message.leases.length; i += 2)
        for (const task of leases.get(message.leases[i]!)!.slice(0, message.leases[i + 1]!))
          expect(job?.recorded.has(task)).toBe(true);
    } else if (message.type === 'Results') {
      expect(job?.seq).toBeGreaterThanOrEqual(message.seq);
      expect(job?.recorded.covers(message.first, message.first + message.count)).toBe(true);
    } else if (message.type === 'JobDone') {
      expect([job?.state, job?.succeeded]).toEqual([message.state, message.counts.succeeded]);
    } else if (message.type === 'Answer') {
      expect(state.jobs.get(OTHER)?.state).toBe('cancelled');
    }
  }
}

/** Messages that promise something, in the order in which they were said. */
const promises = (said: readonly Message[]): string =>
  said
    .filter(({ type }) => ['Accepted', 'JobDone', 'Answer'].includes(type))
    .map(({ type }) => type)
    .join(' ');

describe.each([
  ['in the own thread', 0],
  ['in a thread of its own, on a slow disk', 2],
])('a commit %s', (_, simulatedMillis) => {
  test('comes before what is said of it: the process may end before any operation', async () => {
    const crashes: { readonly data: string; readonly said: readonly Message[] }[] = [];
    const session = new Session(simulatedMillis, (_operation, { data, said }) => {
      crashes.push({ data: copyOfDisk(data), said: [...said] });
    });
    await session.run();
    await session.close();
    expect(promises(session.said)).toMatch(/^Accepted JobDone Accepted (Answer JobDone|JobDone Answer)$/);
    expect(crashes.length).toBeGreaterThan(30);
    for (const { data, said } of crashes) expectTrue(said, session.leases, await afterCrash(data));
  });

  test('that fails holds back what waits for it, whichever it is', async () => {
    let commits = Number.POSITIVE_INFINITY;
    for (let failing = 1; failing <= commits; failing++) {
      let commit = 0;
      const crashes: { readonly data: string; readonly said: readonly Message[] }[] = [];
      const session = new Session(simulatedMillis, (operation, { data, said }) => {
        if (operation === 'send') return;
        if (operation === 'commit') {
          commit++;
          // It fails twice.
          if (commit === failing || commit === failing + 1) {
            crashes.push({ data: copyOfDisk(data), said: [...said] });
            throw new StoreError('the disk is full', 'fullDisk');
          }
        }
      });
      await session.run();
      await session.close();
      commits = Math.min(commits, commit);
      for (const { data, said } of crashes) expectTrue(said, session.leases, await afterCrash(data));
      expectTrue(session.said, session.leases, await afterCrash(session.data));
    }
    expect(commits).toBeGreaterThan(5);
  });
});
