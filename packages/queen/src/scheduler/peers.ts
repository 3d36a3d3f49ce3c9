/**
 * Sessions coming and going. A socket that closes frees its leases at once; silence does the same after three
 * heartbeat intervals and a second. Liveness is decided here, with deadlines, never by a socket's time-out.
 */
import {
  type Failure,
  type KeyIdentity,
  LIMITS,
  type Message,
  type Millis,
  type SessionNumber,
  WHOLE_JOBS,
} from '@hive/shared';
import { suspectLease } from './blame.ts';
import { DroneState } from './drone.ts';
import { ownerLeft, retain } from './ending.ts';
import { foldLost } from './fold-leases.ts';
import { giveBack } from './give-back.ts';
import type { Job } from './job.ts';
import { settleCharge } from './lease.ts';
import { unwatchAll } from './live-output.ts';
import { keepLost } from './lost-leases.ts';
import { taskJoined, taskLeft } from './nested.ts';
import { leaveQuarantine, reviewQuarantines } from './quarantine.ts';
import { record } from './record.ts';
import { droneIsGone } from './recovery.ts';
import { idOf, type PeerSession, type State } from './state.ts';
import type { SchedulerEvent } from './types.ts';

/** The interval that keeps all Drones together below a thousand heartbeats a second. */
function intervalFor(state: State): Millis {
  return Math.max(LIMITS.heartbeatMillis, Math.ceil((state.drones / LIMITS.heartbeatsPerSecond) * 1000));
}
/** By the interval that the peer was told, however many Drones there are by now. */
function silenceMillis(peer: PeerSession): Millis {
  return peer.heartbeatMillis * LIMITS.silentHeartbeats + LIMITS.silentExtraMillis;
}

export function peerJoined(state: State, event: Extract<SchedulerEvent, { type: 'peerJoined' }>): void {
  const { session, hello, address, key = null } = event;
  const old = state.sessionOf(hello.role, hello.peer);
  if (old !== undefined && isOther(old.key, key)) {
    state.close(
      session,
      'notPermitted',
      'A peer with this id is here, and has another key. Choose a new id.',
    );
    return;
  }
  if (old !== undefined) {
    state.close(old.session, 'replaced', 'This peer has opened another session.');
    sessionClosed(state, old.session, 'it has come back in another session');
  }
  const peer: PeerSession = {
    session,
    peer: hello.peer,
    role: hello.role,
    name: hello.name,
    address,
    key,
    heardAt: state.now,
    messageAt: state.now,
    heartbeatMillis: LIMITS.heartbeatMillis,
    toldHeartbeatMillis: LIMITS.heartbeatMillis,
    silence: state.deadlines.create((now) => maybeLost(state, session, now)),
    task: hello.task === undefined ? null : { job: hello.task.job, lease: hello.task.lease },
    drone: null,
    isClogged: false,
    jobs: new Set(),
    jobsLeft: 0,
    watch: null,
    watchedJobs: new Set(),
  };
  state.sessions.set(session, peer);
  state.sessionOfPeer.set(idOf(peer), peer);
  if (hello.role === 'drone') droneJoined(state, peer, hello);
  peer.heartbeatMillis = intervalFor(state);
  peer.toldHeartbeatMillis = peer.heartbeatMillis;
  state.deadlines.set(peer.silence, state.now + silenceMillis(peer));
  state.send(session, welcome(state, event, peer.heartbeatMillis));
  if (peer.task !== null && !taskJoined(state, peer, peer.task)) {
    sessionClosed(state, session, 'its task has ended');
  }
}

/** Ids can be seen by who looks, so only the holder of a key takes the place of a session with it; a newer generation is the same key. */
const isOther = (key: KeyIdentity | null, other: KeyIdentity | null): boolean =>
  key?.keyId !== other?.keyId || key?.role !== other?.role;

/** An interval that is off by more than this share of it is told anew. */
const INTERVAL_SHARE = 0.2;

/**
 * Answers a Drone's Heartbeat. So many Drones may have come since it joined that its interval is too short, or gone: then
 * the answer says how long it is now. A longer one holds here at once; a shorter one only when the Drone is heard again, so
 * that nobody is taken for lost before it can know.
 */
export function answerDrone(state: State, session: SessionNumber): void {
  const peer = state.sessions.get(session);
  if (peer === undefined) return;
  const told = peer.toldHeartbeatMillis;
  peer.heartbeatMillis = told;
  const everyMillis = intervalFor(state);
  if (Math.abs(everyMillis - told) <= INTERVAL_SHARE * Math.min(everyMillis, told)) {
    state.send(session, { type: 'Heartbeat' });
    return;
  }
  peer.toldHeartbeatMillis = everyMillis;
  peer.heartbeatMillis = Math.max(told, everyMillis);
  state.send(session, { type: 'Heartbeat', everyMillis });
}

function welcome(
  state: State,
  event: Extract<SchedulerEvent, { type: 'peerJoined' }>,
  heartbeatMillis: Millis,
): Message<'Welcome'> {
  const { identity } = state;
  return {
    type: 'Welcome',
    protocol: Math.min(event.hello.protocolMax, 1),
    session: event.sessionId,
    queen: identity.queen as Message<'Welcome'>['queen'],
    incarnation: identity.incarnation as Message<'Welcome'>['incarnation'],
    epoch: identity.epoch,
    name: identity.name,
    heartbeatMillis,
    frameBytesMax: LIMITS.frameBytesMax,
    valueBytesMax: LIMITS.valueBytesMax,
    capabilities: ['streams', WHOLE_JOBS],
    ...(event.signature === undefined ? {} : { signature: event.signature }),
  };
}

function droneJoined(state: State, peer: PeerSession, hello: Message<'Hello'>): void {
  const slots = hello.slots ?? 1;
  const profile = state.profileFor(hello.kinds ?? [], hello.labels ?? {}, slots);
  const drone = new DroneState({
    peer: peer.peer,
    session: peer.session,
    name: hello.name,
    address: peer.address,
    slots,
    profile,
    joinedAt: state.now,
    takesTurns: hello.capabilities.includes('turns'),
  });
  drone.isDraining = state.drained.has(peer.peer);
  peer.drone = drone;
  profile.drones.add(drone);
  profile.slots += slots;
  state.drones++;
  state.slots += slots;
  state.dronesChanged();
  state.commit({ type: 'droneJoined', drone: drone.peer, name: drone.name, at: state.now });
  state.notice({ type: 'droneJoined', name: drone.name, slots, address: peer.address, drones: state.drones });
}

/**
 * A session is over. `isProcessLost`: its socket was closed without a word, as the kernel does for a process that died;
 * not when it said goodbye, fell silent or was closed by us.
 */
export function sessionClosed(
  state: State,
  session: SessionNumber,
  reason: string,
  isProcessLost = false,
): void {
  const peer = state.sessions.get(session);
  if (peer === undefined) return;
  state.sessions.delete(session);
  if (state.sessionOfPeer.get(idOf(peer)) === peer) state.sessionOfPeer.delete(idOf(peer));
  state.deadlines.clear(peer.silence);
  state.acks.delete(session);
  if (peer.watch !== null) state.deadlines.clear(peer.watch.deadline);
  state.news.watchers.delete(peer);
  unwatchAll(state, peer);
  taskLeft(state, peer);
  if (peer.drone !== null) droneLeft(state, peer.drone, reason, isProcessLost);
  for (const job of peer.jobs) {
    if (job.hasReaders) job.subscriptions.delete(session);
    if (job.ownerSession === session) ownerLeft(state, job);
  }
  if (peer.jobs.size > 0) retain(state);
}

/** The Drone is gone: what it held runs elsewhere at once; successes that it still reports some day count. */
function droneLeft(state: State, drone: DroneState, reason: string, isProcessLost: boolean): void {
  const { profile } = drone;
  state.commit({ type: 'droneLeft', drone: drone.peer });
  profile.drones.delete(drone);
  profile.free.delete(drone);
  profile.sharing.delete(drone);
  profile.slots -= drone.slots;
  if (profile.drones.size === 0) {
    for (const [key, known] of state.profiles) if (known === profile) state.profiles.delete(key);
  }
  state.drones--;
  state.slots -= drone.slots;
  state.dronesChanged();
  let tasksReturned = 0;
  for (const lease of drone.leases.values()) {
    const { job } = lease;
    profile.short.delete(lease);
    state.leases.delete(lease.number);
    state.splittable.delete(lease);
    job.leases.delete(lease);
    lease.next = null;
    lease.previous = null;
    if (!lease.isLive) continue;
    if (lease.fold !== null) {
      job.running -= lease.open;
      const mayBlame = isProcessLost && lease.state === 'running';
      lease.state = 'lost';
      settleCharge(lease);
      foldLost(state, drone, lease, mayBlame);
      continue;
    }
    tasksReturned += lease.open;
    const { end } = lease;
    const crash =
      isProcessLost && lease.state === 'running' && job.isActive ? suspectLease(state, lease) : null;
    if (isProcessLost && lease.state === 'running') job.running -= lease.open;
    else giveBack(state, lease, lease.done, end, true);
    lease.end = end;
    lease.state = 'lost';
    lease.isRetracting = false;
    if (!job.isActive) continue;
    settleCharge(lease);
    keepLost(state, lease);
    if (crash !== null) recordCrash(state, job, crash);
    state.touch(job);
  }
  drone.leases.clear();
  drone.solitary = null;
  if (drone.keptFor !== null) drone.keptFor.keptOn = null;
  drone.keptFor = null;
  droneIsGone(state, drone.peer, false);
  leaveQuarantine(state, drone);
  reviewQuarantines(state);
  for (const job of drone.knownJobs.values()) {
    job.knownBy.delete(drone);
    if (job.reservedOn === drone) job.reservedOn = null;
  }
  // A lost lease keeps its Drone's state in memory.
  drone.knownJobs.clear();
  state.notice({ type: 'droneLeft', name: drone.name, reason, tasksReturned, drones: state.drones });
}

function recordCrash(state: State, job: Job, failure: Failure): void {
  const page = { first: failure.index, count: 1, sizes: 0, data: new Uint8Array(0) };
  record(state, job, page, { failures: [failure], streams: [], drone: null });
}

/** Something was heard of a session. */
export function heard(state: State, session: SessionNumber): PeerSession | null {
  const peer = state.sessions.get(session);
  if (peer === undefined) return null;
  peer.heardAt = state.now;
  return peer;
}

/**
 * Bytes came from sessions that may complete no message. A peer whose heartbeats wait behind a long message of its own
 * would hear nothing for as long, take the Queen for dead, and begin anew: it is told that she is there.
 */
export function bytesHeard(state: State, sessions: readonly SessionNumber[]): void {
  for (const session of sessions) {
    const peer = heard(state, session);
    if (peer !== null && state.now - peer.messageAt >= peer.heartbeatMillis) {
      state.send(session, { type: 'Heartbeat' });
    }
  }
}

/** The deadline of a session: silent for too long, or heard of meanwhile. */
function maybeLost(state: State, session: SessionNumber, now: Millis): void {
  const peer = state.sessions.get(session);
  if (peer === undefined) return;
  const lostAt = peer.heardAt + silenceMillis(peer);
  if (now < lostAt) {
    state.deadlines.set(peer.silence, lostAt);
    return;
  }
  const millis = Math.round(now - peer.heardAt);
  state.close(session, 'silent', `Nothing was heard from you for ${millis} ms.`);
  sessionClosed(state, session, `nothing was heard from it for ${(millis / 1000).toFixed(1)} s`);
}

export function setClogged(state: State, session: SessionNumber, isClogged: boolean): void {
  const peer = state.sessions.get(session);
  if (peer === undefined) return;
  peer.isClogged = isClogged;
  for (const job of peer.jobs) state.dirtyJobs.add(job);
  if (peer.drone === null) return;
  peer.drone.isClogged = isClogged;
  peer.drone.update();
}
