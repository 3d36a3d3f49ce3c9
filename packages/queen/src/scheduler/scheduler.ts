/**
 * The scheduler's one door: `step(event, now)` changes the state and says what the runtime must do. It never throws
 * because of what a peer said: a peer that breaks the protocol is closed, and nobody else notices.
 *
 * Handlers are records keyed by message type, so a message without a handler is a compile error.
 */
import {
  assertNever,
  type ClientToQueen,
  type DroneToQueen,
  type JobId,
  LIMITS,
  MESSAGES,
  type Message,
  type Millis,
  ProtocolError,
  type SessionNumber,
} from '@hive/shared';
import { assignLeases } from './assign.ts';
import { clientGetsBlob, droneGetsBlob } from './blobs.ts';
import { append, cancel, seal, submit } from './clients.ts';
import { grant, leaseUnsendable, retracted, sendAcks, taskComplete } from './complete.ts';
import { releaseDependents } from './conditions.ts';
import type { DroneState } from './drone.ts';
import { expireEnded } from './ending.ts';
import { graphAdvanced } from './graph-jobs.ts';
import { jobsGathered } from './job-lists.ts';
import { keysRetired } from './keys.ts';
import { taskOutput, watchOutput } from './live-output.ts';
import { manage } from './manage.ts';
import { dialBack, endChildren, mayTaskSay } from './nested.ts';
import { planNews, tellNews } from './news.ts';
import { dropSilentNodes, nodeSaid, nodesRecovered } from './nodes.ts';
import { answerDrone, bytesHeard, heard, peerJoined, sessionClosed, setClogged } from './peers.ts';
import { query, watch } from './queries.ts';
import { rebalance, watchForImbalance } from './rebalance.ts';
import { droneIsBack, droneIsGone, recover, releaseHeld } from './recovery.ts';
import { holdings } from './rejoin.ts';
import { flushJobs, resultCredit, sendProgress } from './results.ts';
import { type Identity, type PeerSession, State } from './state.ts';
import { streamChunk, streamGet } from './streams.ts';
import { type Effects, noEffects, type SchedulerEvent, type StoreRecord } from './types.ts';
import { droneShares, tellWhatWaits } from './waiting-work.ts';

type DroneHandlers = {
  readonly [T in DroneToQueen['type']]: (
    state: State,
    drone: DroneState,
    message: Message<T>,
    peer: PeerSession,
  ) => void;
};
type ClientHandlers = {
  readonly [T in ClientToQueen['type']]: (state: State, client: PeerSession, message: Message<T>) => void;
};

export class Scheduler {
  readonly #state: State;

  constructor(identity: Identity) {
    this.#state = new State(
      identity,
      {
        progress: () => sendProgress(this.#state),
        rebalance: () => rebalance(this.#state),
        rejoin: () => releaseHeld(this.#state),
        retention: () => expireEnded(this.#state),
        // The turn that it wakes does the telling.
        waiting: () => {},
        nodes: () => dropSilentNodes(this.#state),
        news: () => tellNews(this.#state),
      },
      (job, first, count, failures) => graphAdvanced(this.#state, job, first, count, failures),
    );
  }

  /** Takes what a store recovered. Called at most once, before any event. Returns what is to be done about it. */
  recover(records: Iterable<StoreRecord>, now: Millis): Effects {
    const effects = noEffects();
    this.#state.effects = effects;
    recover(this.#state, records, now);
    nodesRecovered(this.#state);
    return effects;
  }

  /** One event. `now` is in milliseconds since the start, from a clock that never goes back. */
  step(event: SchedulerEvent, now: Millis): Effects {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    const effects = noEffects();
    state.effects = effects;
    this.#dispatch(event);
    return effects;
  }

  /** When `timePassed` is next due, or null. */
  nextDeadline(): Millis | null {
    return this.#state.deadlines.next;
  }

  /** Read-only, for tests, the simulation's auditor and metrics. */
  get state(): State {
    return this.#state;
  }

  #dispatch(event: SchedulerEvent): void {
    const state = this.#state;
    switch (event.type) {
      case 'peerJoined':
        peerJoined(state, event);
        break;
      case 'messageReceived':
        this.#receive(event.session, event.message);
        break;
      case 'sessionClosed':
        sessionClosed(state, event.session, event.reason, true);
        break;
      case 'sessionClogged':
        setClogged(state, event.session, event.isClogged);
        break;
      case 'bytesHeard':
        bytesHeard(state, event.sessions);
        break;
      case 'storeFilled':
        state.isStoreLow = event.isLow;
        break;
      case 'storeDamaged':
        state.storeDamage = event.message;
        state.notice(event);
        break;
      case 'keysRetired':
        keysRetired(state, event.oldest);
        break;
      case 'leaseUnsendable':
        leaseUnsendable(state, event);
        break;
      case 'selfTold':
      case 'nodeHeard':
      case 'jobsHeard':
      case 'ownDroneEnded':
      case 'nodeFailed':
      case 'nodeLeft':
      case 'keysRevoked':
        nodeSaid(state, event);
        break;
      case 'jobsGathered':
        jobsGathered(state, event);
        break;
      case 'timePassed':
        state.deadlines.fire(state.now);
        break;
      case 'settled':
        this.#settle();
        break;
      default:
        assertNever(event);
    }
  }

  /** The end of a turn: leases, acknowledgements and results for all that has happened in it. */
  #settle(): void {
    const state = this.#state;
    if (state.children.size > 0) {
      endChildren(state, ({ session }) => sessionClosed(state, session, 'its task has ended'));
    }
    for (let job = state.endedNow.pop(); job !== undefined; job = state.endedNow.pop())
      releaseDependents(state, job);
    assignLeases(state);
    sendAcks(state);
    if (flushJobs(state)) assignLeases(state);
    watchForImbalance(state);
    tellWhatWaits(state);
    planNews(state);
    if (state.dirtyProgress.size > 0 && state.progressDeadline.heapPosition < 0) {
      state.deadlines.set(state.progressDeadline, state.now + LIMITS.progressMillis);
    }
  }

  #receive(session: SessionNumber, message: Message): void {
    const state = this.#state;
    const peer = heard(state, session);
    if (peer === null) return;
    peer.messageAt = state.now;
    try {
      if (peer.drone !== null) droneSays(state, peer, peer.drone, message);
      else clientSays(state, peer, message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      state.close(session, error.code, error.message);
      sessionClosed(state, session, `it broke the protocol: ${error.message}`);
    }
  }
}

const unsupported = (_: State, __: unknown, { type }: Message): never => {
  throw new ProtocolError(
    `${type} is not served here: it is not among the capabilities of Welcome`,
    'unsupported',
  );
};
const answerHeartbeat = (state: State, session: SessionNumber) => state.send(session, { type: 'Heartbeat' });
const farewell = (state: State, session: SessionNumber, message: string) => {
  state.close(session, 'stopping', 'Goodbye.');
  sessionClosed(state, session, message);
};
const outOfTurn = (_: State, __: unknown, { type }: Message): never => {
  throw new ProtocolError(`${type} is out of turn`);
};

const DRONE_HANDLERS: DroneHandlers = {
  Hello: outOfTurn,
  Heartbeat: (state, drone) => answerDrone(state, drone.session),
  Goodbye: (state, drone, { message }) => {
    farewell(state, drone.session, message);
    droneIsGone(state, drone.peer, true);
  },
  Holdings: (state, drone, message) => {
    holdings(state, drone, message);
    droneShares(state, drone);
  },
  TaskRequest: (state, drone, { slots }) => {
    droneIsBack(state, drone.peer);
    grant(drone, slots);
  },
  TaskComplete: taskComplete,
  Retracted: retracted,
  TaskOutput: taskOutput,
  DialBack: dialBack,
  Drain: (_, drone) => {
    drone.isDraining = true;
    drone.update();
  },
  StreamGet: streamGet,
  StreamChunk: unsupported,
  BlobGet: droneGetsBlob,
};

const CLIENT_HANDLERS: ClientHandlers = {
  Hello: outOfTurn,
  Heartbeat: (state, client) => answerHeartbeat(state, client.session),
  Goodbye: (state, client, { message }) => farewell(state, client.session, message),
  Submit: submit,
  Append: append,
  Seal: seal,
  ResultCredit: resultCredit,
  Cancel: cancel,
  Query: query,
  Watch: watch,
  WatchOutput: watchOutput,
  Manage: manage,
  StreamGet: unsupported,
  StreamChunk: streamChunk,
  // Taken in before the scheduler hears of them, by a runtime that keeps blobs.
  BlobHave: unsupported,
  BlobGet: clientGetsBlob,
  BlobChunk: unsupported,
};

function droneSays(state: State, peer: PeerSession, drone: DroneState, message: Message): void {
  const handler = DRONE_HANDLERS[message.type as DroneToQueen['type']];
  if (!drone.hasReported && !BEFORE_HOLDINGS.has(message.type)) {
    throw new ProtocolError(`${message.type} came before Holdings`);
  }
  (handler as (state: State, drone: DroneState, message: Message, peer: PeerSession) => void)(
    state,
    drone,
    message,
    peer,
  );
}
const BEFORE_HOLDINGS: ReadonlySet<string> = new Set(['Holdings', 'Heartbeat', 'Goodbye']);

function clientSays(state: State, client: PeerSession, message: Message): void {
  if (client.role === 'observer' && !MESSAGES[message.type].from.includes('observer')) {
    const text = `An observer only looks: it may not send ${message.type}. It takes a client's key ("hive key --role client").`;
    refuse(state, client, message, text);
    return;
  }
  if (client.task !== null && !mayTaskSay(state, client.task, message)) {
    const text = `A task submits jobs and speaks of those alone: it may not send ${message.type} here.`;
    refuse(state, client, message, text);
    return;
  }
  const handler = CLIENT_HANDLERS[message.type as ClientToQueen['type']];
  (handler as (state: State, client: PeerSession, message: Message) => void)(state, client, message);
}

function refuse(state: State, client: PeerSession, message: Message, text: string): void {
  const { job, request } = message as { job?: JobId; request?: number };
  state.refuse(client.session, 'notPermitted', text, {
    ...(job === undefined ? {} : { job }),
    ...(request === undefined ? {} : { request }),
  });
}
