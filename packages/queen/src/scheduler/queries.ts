/**
 * What people and dashboards ask: plain data, bounded in size whatever the cluster's. Reading only; nothing here may
 * change the state.
 */
import { type JobId, type JobState, LIMITS, type Message, type Plain, type RefusalCode } from '@hive/shared';
import { leaseLength } from './assign.ts';
import type { DroneState } from './drone.ts';
import type { Job } from './job.ts';
import { jobsOf, jobsPage } from './job-lists.ts';
import { summaryOf } from './job-summary.ts';
import { describeKeys } from './keys.ts';
import { whyNoLabels } from './missing-labels.ts';
import { explainAway, lastKnown, nodesOf, notHere, selfOf } from './nodes.ts';
import { plural } from './plural.ts';
import type { PeerSession, State } from './state.ts';

type Body = { readonly [key: string]: Plain | undefined };

export function query(state: State, client: PeerSession, message: Message<'Query'>): void {
  const { request } = message;
  if (message.about === 'keys') {
    answerKeys(state, client, request);
    return;
  }
  const answer = bodyOf(state, message, client.role);
  if (answer instanceof Refusal) state.refuse(client.session, answer.code, answer.text, { request });
  else if (message.about === 'task') sendStory(state, client, message, answer);
  else state.sendAfterCommit(client.session, { type: 'Answer', request, body: answer });
}

/** The question is not answered, and why. */
class Refusal {
  readonly code: RefusalCode;
  readonly text: string;
  constructor({ code, text }: Pick<Refusal, 'code' | 'text'>) {
    this.code = code;
    this.text = text;
  }
}
const no = (text: string): Refusal => new Refusal({ code: 'unknownJob', text });

function bodyOf(state: State, message: Message<'Query'>, role: PeerSession['role']): Body | Refusal {
  const limit = Math.min(message.limit ?? 100, LIMITS.answerEntriesMax);
  switch (message.about) {
    case 'status':
      return statusOf(state);
    case 'drones':
      return { drones: dronesOf(state, limit) };
    case 'jobs':
      return jobsPage(state, message, limit, role === 'node');
    case 'nodes':
      return { nodes: nodesOf(state) };
    default:
      return aboutJob(state, message, role);
  }
}

function answerKeys(state: State, client: PeerSession, request: number): void {
  const outcome = describeKeys(state, client);
  if ('body' in outcome)
    state.sendAfterCommit(client.session, { type: 'Answer', request, body: outcome.body });
  else state.refuse(client.session, outcome.code, outcome.text, { request });
}

/** The store adds the attempts. */
function sendStory(
  state: State,
  client: PeerSession,
  { request, index = 0, job }: Message<'Query'>,
  body: Body,
): void {
  const seq = state.jobs.get(job!)!.results.holding(index)?.seq ?? null;
  state.effects.afterCommit.push({
    session: client.session,
    message: { type: 'Answer', request, body },
    story: { job: job!, index, seq },
  });
}

function aboutJob(
  state: State,
  { about, job: id, index }: Message<'Query'>,
  role: PeerSession['role'],
): Body | Refusal {
  if (id === undefined) return no('This question needs a job id.');
  const job = state.jobs.get(id);
  if (job === undefined) {
    // A node asks for what is the case; what it may have been, it knows itself.
    const known = role === 'node' ? null : remembered(state, about, id);
    return known ?? new Refusal(notHere(state, id, role));
  }
  if (about === 'job') return summaryOf(state, job);
  if (about === 'explain') return { job: job.id, lines: explain(state, job) };
  if (index === undefined) return no('This question needs the index of a task.');
  if (index >= job.appended) return no(`Job ${id} has no task ${index}; it has ${job.appended}.`);
  return { job: job.id, name: job.label, ...taskOf(job, index) };
}

/** What can be said of a job of another node without that; null: nothing. */
function remembered(state: State, about: Message<'Query'>['about'], id: JobId): Body | null {
  if (about === 'job') return lastKnown(state, id);
  const lines = about === 'explain' ? explainAway(state, id) : null;
  return lines === null ? null : { job: id, lines };
}

export function statusOf(state: State): Body {
  const jobs: Record<string, number> = { waiting: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
  let tasksRunning = 0;
  let tasksReady = 0;
  for (const job of state.jobs.values()) {
    if (!job.isHidden) jobs[job.state]!++;
    tasksRunning += job.running;
    if (job.isActive) tasksReady += job.readyTasks;
  }
  let busySlots = 0;
  let clients = 0;
  for (const peer of state.sessions.values()) {
    if (peer.drone === null) clients++;
    else busySlots += peer.drone.busySlots;
  }
  const { identity } = state;
  return {
    queen: identity.queen,
    name: identity.name,
    incarnation: identity.incarnation,
    epoch: identity.epoch,
    store: identity.store,
    uptimeMillis: Math.round(state.now - identity.startedAt),
    drones: state.drones,
    slots: state.slots,
    busySlots,
    clients,
    jobs,
    tasksRunning,
    tasksReady,
    tasksRecorded: state.totals.recorded,
    tasksPerSecond: state.throughput.perSecond(state.now),
    leases: state.totals.leases,
    tasksRetracted: state.totals.retracted,
    tasksReturned: state.totals.returned,
    staleReports: state.dropped.staleReports,
    duplicateResults: state.dropped.duplicateResults,
    ...(state.storeDamage === null ? {} : { storeDamage: state.storeDamage }),
    ...(state.self === null ? {} : { node: selfOf(state, state.self) }),
  };
}

export function dronesOf(state: State, limit: number): Body[] {
  const drones: Body[] = [];
  for (const { drone } of state.sessions.values()) {
    if (drone === null) continue;
    if (drones.length === limit) break;
    drones.push(droneBody(state, drone));
  }
  return drones;
}

function droneBody(state: State, drone: DroneState): Body {
  return {
    id: drone.peer,
    name: drone.name,
    address: drone.address,
    slots: drone.slots,
    busySlots: drone.busySlots,
    freeSlots: drone.credit,
    leases: drone.leases.size,
    kinds: [...drone.profile.kinds],
    labels: { ...drone.profile.labels },
    state: drone.isDraining
      ? 'draining'
      : drone.isQuarantined
        ? 'quarantined'
        : drone.isClogged
          ? 'clogged'
          : drone.leases.size > 0
            ? 'busy'
            : 'idle',
    connectedMillis: Math.round(state.now - drone.joinedAt),
    tasksDone: drone.tasksDone,
    tasksPerSecond: drone.throughput.perSecond(state.now),
  };
}

/** Where one task stands. */
function taskOf(job: Job, index: number): Body {
  if (job.failedIndices.has(index)) return { index, state: 'failed' };
  if (job.recorded.has(index)) return { index, state: 'recorded' };
  const failed = job.failedTasks.get(index);
  const tries = failed === undefined ? {} : { failures: failed.failures, crashes: failed.crashes };
  for (const lease of job.leases) {
    if (!lease.isLive) continue;
    for (const [first, end] of lease.intervals(lease.done, lease.end)) {
      if (index >= first && index < end) {
        return {
          index,
          state: index === lease.indexAt(lease.done) ? 'running' : 'leased',
          drone: lease.drone.name,
          lease: lease.number,
          ...tries,
        };
      }
    }
  }
  if (failed?.retryAt != null) return { index, state: 'waitingForRetry', ...tries };
  if (job.held.has(index)) return { index, state: 'held' };
  return { index, state: job.isActive ? 'queued' : 'cancelled', ...tries };
}

const STATE_WORDS: Readonly<Record<JobState, string>> = {
  waiting: 'is waiting',
  running: 'is running',
  succeeded: 'has succeeded',
  failed: 'has failed',
  cancelled: 'was cancelled',
};

/** Sentences: why the job is where it is, and what was chosen for it. */
export function explain(state: State, job: Job): string[] {
  const lines = [`The job "${job.label}" (kind ${job.kind}) ${STATE_WORDS[job.state]}.`];
  const { counts } = job;
  lines.push(
    `Of ${plural(counts.appended, 'task')}${job.isSealed ? '' : ' so far'}: ${counts.succeeded} succeeded, ${counts.failed} failed, ${counts.running} with Drones, ${job.readyTasks} ready, ${waitingForRetry(job)} waiting for a retry.`,
  );
  if (!job.isActive) {
    if (job.message !== null) lines.push(`It ended because: ${job.message}.`);
    return lines;
  }
  if (!job.isSealed) lines.push('It is still open: its client may append more tasks.');
  if (job.waitsFor.size > 0) lines.push(`It waits for ${[...job.waitsFor.keys()].join(', ')} to end first.`);
  if (!job.held.isEmpty) {
    lines.push(
      `${plural(job.held.size, 'task was', 'tasks were')} with Drones when the Queen restarted; until those Drones are back nobody else gets them, for at most ${LIMITS.rejoinMillis / 1000} s.`,
    );
  }
  if (job.suspectTasks > 0) {
    lines.push(
      `When a Drone's process was lost, ${plural(job.suspectTasks, 'task was', 'tasks were')} running there; what may have done it runs again in leases of its own.`,
    );
  }
  if (job.isHeldBack) {
    lines.push(
      `It is held back: its client has ${plural(job.unreadBytes, 'byte')} of results to read first.`,
    );
  }
  if (job.folds !== null && job.folds.pages > 1) {
    const { pages, underWay } = job.folds;
    lines.push(
      `Its results are folded: ${pages} values so far, ${plural(underWay.size, 'fold')} of them under way.`,
    );
  }
  lines.push(...explainPlaces(state, job), ...explainLeases(job));
  if (job.readyTasks > 0) lines.push(`Its next lease would be ${nextLengths(state, job)}.`);
  return lines;
}

function waitingForRetry(job: Job): number {
  let waiting = 0;
  for (const task of job.failedTasks.values()) if (task.retryAt !== null) waiting++;
  return waiting;
}

function explainPlaces(state: State, job: Job): string[] {
  if (state.drones === 0) return ['No Drone is connected. Start one: npx -y pnpm@12 drone'];
  const slots = state.fittingSlots(job);
  if (slots === 0) return whyNobodyFits(state, job);
  const lines = [`${plural(slots, 'slot fits', 'slots fit')} it.`];
  const { node, nodeId } = job.labels;
  if (node !== undefined || nodeId !== undefined) lines.push(`It runs on the node ${node ?? nodeId} only.`);
  let free = 0;
  for (const profile of state.profiles.values()) {
    if (profile.fits(job)) for (const drone of profile.free) free += drone.credit;
  }
  if (free === 0 && job.readyTasks > 0) {
    lines.push(
      `${slots === 1 ? 'It is' : 'All of them are'} busy; jobs of higher priority (this one has ${job.priority}) and those with less slot time so far come first.`,
    );
  }
  return lines;
}

function whyNobodyFits(state: State, job: Job): string[] {
  const kinds = new Set<string>();
  let widest = 0;
  for (const profile of state.profiles.values()) {
    for (const kind of profile.kinds) kinds.add(kind);
    widest = Math.max(widest, profile.slotsEach);
  }
  if (!kinds.has(job.kind))
    return [`No Drone here runs the kind "${job.kind}"; on offer: ${[...kinds].sort().join(', ')}.`];
  if (job.slots > widest)
    return [`Each task needs ${job.slots} slots of one Drone; the largest Drone has ${widest}.`];
  return whyNoLabels(
    job.labels,
    [...state.profiles.values()].map(({ labels }) => labels),
  );
}

function explainLeases(job: Job): string[] {
  const lines: string[] = [];
  let shown = 0;
  for (const lease of job.leases) {
    if (shown++ === 10) {
      lines.push(`… and ${plural(job.leases.size - 10, 'more lease')}.`);
      break;
    }
    lines.push(
      `Lease ${lease.number} on ${lease.drone.name} is ${lease.state}: ${lease.done} of ${plural(lease.end, 'task')} reported.`,
    );
  }
  return lines;
}

function nextLengths(state: State, job: Job): string {
  const parts: string[] = [];
  for (const { drone } of state.sessions.values()) {
    if (drone === null || !drone.profile.fits(job) || parts.length === 5) continue;
    const rate = job.rates.get(drone.peer);
    const length = leaseLength(state, job, rate);
    const why =
      rate === undefined
        ? 'a probe, its rate there is not known'
        : `${rate.millisPerTask.toPrecision(3)} ms a task`;
    parts.push(`${length} on ${drone.name} (${why})`);
  }
  return parts.length === 0 ? 'for a Drone that fits, which is not there' : parts.join(', ');
}

export function watch(state: State, client: PeerSession, { everyMillis }: Message<'Watch'>): void {
  if (client.watch !== null) state.deadlines.clear(client.watch.deadline);
  client.watch = null;
  state.news.watchers.delete(client);
  if (everyMillis === 0) return;
  if (client.role === 'node') state.news.watchers.add(client);
  const every = Math.max(LIMITS.progressMillis, everyMillis);
  const deadline = state.deadlines.create((now) => {
    sendOverview(state, client);
    state.deadlines.set(deadline, now + every);
  });
  client.watch = { everyMillis: every, deadline };
  sendOverview(state, client);
  state.deadlines.set(deadline, state.now + every);
}

function sendOverview(state: State, client: PeerSession): void {
  if (client.isClogged) return;
  const body = { status: statusOf(state), jobs: jobsOf(state, 50, false), drones: dronesOf(state, 100) };
  state.send(client.session, { type: 'Overview', body });
}
