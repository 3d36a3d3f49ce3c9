/**
 * What this Queen knows of the other nodes of a mesh and of their newest jobs, when she is part of one: told by whoever
 * watches them, kept in her store, and dropped when nothing was heard for too long. None of it decides anything here; it
 * answers questions, also while the node that owns a job is away.
 */
import {
  isJobId,
  type JobId,
  LIMITS,
  type Millis,
  type PeerId,
  type Plain,
  type RefusalCode,
} from '@hive/shared';
import { revokedElsewhere } from './keys.ts';
import { awaitNoMore } from './recovery.ts';
import type { State } from './state.ts';

export type NodeState = 'IDLE' | 'BUSY' | 'DRAINING' | 'FAILED';
type Body = { readonly [key: string]: Plain | undefined };

/** What a node says of itself. `queue`: tasks that are ready and wait for a place; only its Queen knows. */
export interface NodeSelf {
  readonly name: string;
  readonly version: string;
  readonly addresses: readonly string[];
  /** Slots of its own Drone, and those that run something, whoever gave it. */
  readonly slots: number;
  readonly busySlots: number;
  readonly isDraining: boolean;
  /** Time after which a node that was not heard of is dropped. */
  readonly peerTimeoutMillis: Millis;
}
/** Another node, by the id of its Queen. */
export interface NodeFacts {
  readonly node: string;
  readonly name: string;
  readonly version: string;
  readonly addresses: readonly string[];
  readonly state: NodeState;
  readonly slots: number;
  readonly busySlots: number;
  readonly queue: number;
}
export interface KnownNode {
  facts: NodeFacts;
  heardAt: Millis;
  /** When the store was told of it last. */
  keptAt: Millis;
}
/** The summary of a job that another node owns. */
export interface HeardJob {
  readonly node: string;
  readonly body: Body;
  readonly at: Millis;
}

/** What watches the other nodes says to the scheduler. */
export type NodeEvent =
  | { readonly type: 'selfTold'; readonly self: NodeSelf }
  | { readonly type: 'nodeHeard'; readonly facts: NodeFacts; readonly jobs: readonly Plain[] }
  /** Jobs that it has just accepted. */
  | { readonly type: 'jobsHeard'; readonly node: string; readonly jobs: readonly Plain[] }
  /** Its connection is gone without a word, or it is silent. */
  | { readonly type: 'nodeFailed'; readonly node: string }
  /** The Drone of this node's life before it was started again is gone, and what it ran with it. */
  | { readonly type: 'ownDroneEnded'; readonly peer: PeerId }
  /** Keys that were revoked at another node: they are worth nothing anywhere. */
  | { readonly type: 'keysRevoked'; readonly keyIds: readonly string[] }
  /** It said goodbye. */
  | { readonly type: 'nodeLeft'; readonly node: string };

/** When it was heard is kept no more often than this; everything else when it changes. */
const KEEP_MILLIS = 10_000;
const TIMEOUT_MILLIS = 30_000;

export function nodeSaid(state: State, event: NodeEvent): void {
  if (event.type === 'selfTold') state.self = event.self;
  else if (event.type === 'nodeHeard') heard(state, event.facts, event.jobs);
  else if (event.type === 'jobsHeard') newJobsHeard(state, event.node, event.jobs);
  else if (event.type === 'nodeFailed') failed(state, event.node);
  else if (event.type === 'ownDroneEnded') awaitNoMore(state, event.peer);
  else if (event.type === 'keysRevoked') revokedElsewhere(state, event.keyIds);
  else if (state.nodes.has(event.node)) state.commit({ type: 'nodeDropped', node: event.node });
}

function heard(state: State, facts: NodeFacts, jobs: readonly Plain[]): void {
  const known = state.nodes.get(facts.node);
  if (known === undefined && state.nodes.size >= LIMITS.queensKnownMax) return;
  if (known !== undefined) known.heardAt = state.now;
  const isKept = known !== undefined && state.now - known.keptAt < KEEP_MILLIS;
  if (!isKept || canonical(known.facts) !== canonical(facts))
    state.commit({ type: 'nodeNoted', facts, at: state.now });
  for (const job of jobs) jobHeard(state, facts.node, job as Body);
  state.deadlines.setEarlier(state.nodesDeadline, state.now + timeoutOf(state));
}

function newJobsHeard(state: State, node: string, jobs: readonly Plain[]): void {
  if (!state.nodes.has(node)) return;
  for (const job of jobs) jobHeard(state, node, job as Body);
}

function failed(state: State, node: string): void {
  const known = state.nodes.get(node);
  if (known === undefined || known.facts.state === 'FAILED') return;
  const facts: NodeFacts = { ...known.facts, state: 'FAILED', busySlots: 0 };
  state.commit({ type: 'nodeNoted', facts, at: known.heardAt });
}

/** After a restart nobody has been heard of yet. */
export function nodesRecovered(state: State): void {
  if (state.nodes.size === 0) return;
  for (const known of state.nodes.values()) known.facts = { ...known.facts, state: 'FAILED', busySlots: 0 };
  state.deadlines.set(state.nodesDeadline, state.now + timeoutOf(state));
}

/** Drops those that were silent for too long. */
export function dropSilentNodes(state: State): void {
  let next = Number.POSITIVE_INFINITY;
  for (const [node, { heardAt }] of state.nodes) {
    const dueAt = heardAt + timeoutOf(state);
    if (dueAt <= state.now) state.commit({ type: 'nodeDropped', node });
    else next = Math.min(next, dueAt);
  }
  if (next < Number.POSITIVE_INFINITY) state.deadlines.set(state.nodesDeadline, next);
}

const timeoutOf = ({ self }: State): Millis => self?.peerTimeoutMillis ?? TIMEOUT_MILLIS;

/** Only what its owner says of it counts, and only when it has changed. */
function jobHeard(state: State, node: string, heard: Body): void {
  const { id, createdAt } = heard;
  if (typeof id !== 'string' || !isJobId(id) || typeof createdAt !== 'string') return;
  if (heard['node'] !== node || state.jobs.has(id)) return;
  // Its name is remembered with the job: the node itself is forgotten when it stays away.
  const name = state.nodes.get(node)?.facts.name;
  const body = name === undefined ? heard : { ...heard, nodeName: name };
  const known = state.elsewhere.get(id);
  if (known !== undefined && canonical(changing(known.body)) === canonical(changing(body))) return;
  if (known === undefined && isTooOld(state, createdAt)) return;
  state.commit({ type: 'jobHeard', id, node, body: JSON.stringify(body), at: state.now });
  if (state.elsewhere.size <= LIMITS.jobsElsewhereMax) return;
  const oldest = oldestOf(state);
  if (oldest !== null) state.commit({ type: 'jobUnheard', id: oldest });
}

/** As many as may be are remembered, all of them newer: it would be forgotten at once, and written again when next heard of. */
function isTooOld(state: State, createdAt: string): boolean {
  if (state.elsewhere.size < LIMITS.jobsElsewhereMax) return false;
  const oldest = oldestOf(state);
  return oldest !== null && createdAt <= createdAtOf(state.elsewhere.get(oldest)!);
}

/** A running job's time goes on by itself. */
const changing = ({ elapsedMillis: _, ...body }: Body): Body => body;
const canonical = (value: unknown): string => JSON.stringify(value);
const createdAtOf = ({ body }: HeardJob): string => String(body['createdAt']);

function oldestOf(state: State): JobId | null {
  let oldest: JobId | null = null;
  let createdAt = '';
  for (const [id, job] of state.elsewhere) {
    if (oldest !== null && createdAtOf(job) >= createdAt) continue;
    oldest = id;
    createdAt = createdAtOf(job);
  }
  return oldest;
}

/** All nodes, this one first. */
export function nodesOf(state: State): Body[] {
  const nodes: Body[] = state.self === null ? [] : [{ ...selfOf(state, state.self), self: true }];
  for (const { facts, heardAt } of state.nodes.values()) {
    const { node, addresses, ...rest } = facts;
    nodes.push({
      id: node,
      ...rest,
      address: addresses[0] ?? '',
      addresses: [...addresses],
      load: loadOf(facts),
      lastHeardAt: state.identity.formatTime(heardAt),
    });
  }
  return nodes;
}

/** This node, as it tells others. */
export function selfOf(state: State, self: NodeSelf): Body {
  const { name, version, addresses, slots, busySlots, isDraining } = self;
  let queue = 0;
  for (const job of state.jobs.values()) if (job.isActive) queue += job.readyTasks;
  const isBusy = busySlots > 0 || queue > 0;
  return {
    id: state.identity.queen,
    name,
    version,
    address: addresses[0] ?? '',
    addresses: [...addresses],
    state: isDraining ? 'DRAINING' : isBusy ? 'BUSY' : 'IDLE',
    slots,
    busySlots,
    load: loadOf(self),
    queue,
    lastHeardAt: state.identity.formatTime(state.now),
    revokedKeys: state.revokedKeys.size,
  };
}

const loadOf = ({ slots, busySlots }: { readonly slots: number; readonly busySlots: number }): number =>
  slots === 0 ? 0 : Math.round((busySlots / slots) * 100) / 100;

/** What was heard of a job last, marked as such; null when nothing was. */
export function lastKnown(state: State, job: JobId): Body | null {
  const heardOf = state.elsewhere.get(job);
  if (heardOf === undefined) return null;
  return { ...heardOf.body, ...ownerOf(state, heardOf), lastKnownAt: state.identity.formatTime(heardOf.at) };
}

/** Where the owner of a job is, as far as it is known. */
function ownerOf(state: State, { node }: HeardJob): Body {
  const facts = state.nodes.get(node)?.facts;
  return facts === undefined ? {} : { nodeName: facts.name, nodeAddresses: [...facts.addresses] };
}

/** What was heard last of other nodes' jobs, but for those nodes that speak for themselves. */
export function jobsElsewhere(state: State, present: ReadonlySet<string>): Body[] {
  const jobs: Body[] = [];
  for (const [id, { node }] of state.elsewhere) if (!present.has(node)) jobs.push(lastKnown(state, id)!);
  return jobs;
}

/** Why nothing more can be said of a job whose node is away, and what to do; null when nothing was heard of it. */
export function explainAway(state: State, job: JobId): string[] | null {
  const heardOf = state.elsewhere.get(job);
  if (heardOf === undefined) return null;
  const known = state.nodes.get(heardOf.node);
  const name = known?.facts.name ?? String(heardOf.body['nodeName'] ?? heardOf.node);
  const { formatTime } = state.identity;
  const jobState = String(heardOf.body['state']);
  const verb = jobState === 'succeeded' || jobState === 'failed' ? 'had' : 'was';
  const lastHeard = known === undefined ? '' : `, last heard of at ${formatTime(known.heardAt)}`;
  return [
    `The job belongs to the node ${name}, which is away${lastHeard}; it goes on when that is back. Ask again then.`,
    `Last known, at ${formatTime(heardOf.at)}: it ${verb} ${jobState}.`,
  ];
}

/** What to say to who wants something of a job that is not here. A node is not told of others' jobs. */
export function notHere(
  state: State,
  job: JobId | undefined,
  role: string,
): { readonly code: RefusalCode; readonly text: string } {
  const lines = job === undefined || role === 'node' ? null : explainAway(state, job);
  if (lines !== null) return { code: 'nodeAway', text: lines.join(' ') };
  return { code: 'unknownJob', text: `There is no job ${job ?? ''} here.` };
}
