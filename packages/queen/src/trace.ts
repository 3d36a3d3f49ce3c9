/**
 * `DEBUG=hive:queen:*`: what happens to sessions, leases and commits. It looks at what goes into the scheduler and what
 * comes out of it, so that the scheduler itself stays pure.
 *
 * Cost: whether anybody listens is asked once; without a listener the runtime has no `Trace` and pays for nothing.
 */
import type { Message } from '@hive/shared';
import { describeMessage } from '@hive/shared/node';
import debug from 'debug';
import type { Effects, SchedulerEvent, Send } from './scheduler/index.ts';

const message = debug('hive:queen:message');
const session = debug('hive:queen:session');
const lease = debug('hive:queen:lease');
const commit = debug('hive:queen:commit');

export class Trace {
  #records = 0;

  /** Null when nobody listens. */
  static maybe(): Trace | null {
    return [message, session, lease, commit].some((log) => log.enabled) ? new Trace() : null;
  }

  event(event: SchedulerEvent): void {
    if (event.type === 'messageReceived') {
      message('session %d -> %s', event.session, describeMessage(event.message));
      this.#leaseEvent(event.session, event.message);
    } else if (event.type === 'peerJoined') {
      const { role, name, peer } = event.hello;
      session('%d opened: %s "%s" at %s, peer %s', event.session, role, name, event.address, peer);
    } else if (event.type === 'sessionClosed') session('%d closed: %s', event.session, event.reason);
    else if (event.type === 'sessionClogged') {
      session('%d %s', event.session, event.isClogged ? 'reads too slowly' : 'reads again');
    } else if (event.type === 'leaseUnsendable') lease('%d cannot be sent: %s', event.lease, event.message);
  }

  effects({ append, close }: Effects): void {
    for (const { session: number, goodbye } of close) session('%d is closed: %s', number, goodbye.message);
    this.#records += append.length;
  }

  /** A message that was handed to its connection. */
  sent({ session: number }: Send, said: Message): void {
    message('session %d <- %s', number, describeMessage(said));
    if (said.type === 'TaskAssign') {
      const { lease: given, job, ranges, behind } = said;
      const where = behind === undefined ? '' : `, behind lease ${behind}`;
      lease('%d given to session %d: %d tasks of job %s%s', given, number, tasksIn(ranges), job, where);
    } else if (said.type === 'Retract') lease('%d is to end at position %d', said.lease, said.end);
    else if (said.type === 'CancelTask' && said.index === undefined) {
      lease('%d is cancelled: %s', said.lease, said.reason);
    }
  }

  /** Carries out a commit, and says how much there was in it and how long it took. */
  commit(run: () => Promise<void> | null): Promise<void> | null {
    const records = this.#records;
    this.#records = 0;
    const startedAt = performance.now();
    const done = () => commit('%d records in %s ms', records, (performance.now() - startedAt).toFixed(2));
    const durable = run();
    if (durable === null) done();
    else durable.then(done, (error: Error) => commit('%d records failed: %s', records, error.message));
    return durable;
  }

  #leaseEvent(number: number, heard: Message): void {
    if (heard.type === 'TaskComplete' && heard.ended) {
      lease('%d ended in session %d, at position %d', heard.lease, number, heard.at + heard.count);
    } else if (heard.type === 'Retracted') {
      lease('%d ends at position %d, says session %d', heard.lease, heard.end, number);
    }
  }
}

function tasksIn(ranges: readonly number[]): number {
  let tasks = 0;
  for (let i = 1; i < ranges.length; i += 2) tasks += ranges[i]!;
  return tasks;
}
