/**
 * The life of a lease in this Drone: taken, waiting, running, over. What the Queen says of leases comes in here from the
 * agent's door, and so does what the slots say; both meet only in this state.
 *
 * Invariants: a position is reported once, in order; every lease that was taken ends exactly once (with `ended`, or with a
 * Retracted of 0, or dropped with its Queen); a slot runs one lease at most.
 */
import { InvariantError, type LeaseNumber, LIMITS, type Message, ProtocolError } from '@hive/shared';
import { completionsOf, emptyCompletion, type Finished } from './completions.ts';
import { type AgentEvent, type OutputFile, outputFile, type SlotFailure, type SlotNumber } from './events.ts';
import type { Journal } from './journal.ts';
import { blame, deathReason, isBeingEnded, judge, killOrder, sampleAtOf } from './judge.ts';
import { indexAt, type Lease, leaseOf, partsOf, positionOf, slotsOf, taskSeen } from './lease.ts';
import { costOf, keyOf } from './outbox.ts';
import type { Place, Places } from './places.ts';
import type { AgentSession, Queen, Queens, Turn } from './queens.ts';
import { type Replies, rememberEnd } from './replies.ts';
import { rest } from './rests.ts';
import type { Turns } from './turns.ts';

type SlotEvent<T extends AgentEvent['type']> = Extract<AgentEvent, { type: T }>;
type Running = Extract<Lease['stage'], { at: 'running' }>;
interface RunningLease {
  readonly lease: Lease;
  readonly stage: Running;
  readonly place: Place;
}
const NOTHING = { count: 0, sizes: 0, data: new Uint8Array(0), failures: [], busyMicros: 0 } as const;
const NO_PLACE: Place = { slots: [], running: null, waiting: null, since: 0, away: 'no', lent: 0 };

export class Work {
  readonly #turn: Turn;
  readonly #queens: Queens;
  readonly #places: Places;
  readonly #journal: Journal;
  readonly #kinds: ReadonlySet<string>;
  readonly #replies: Replies;
  readonly #turns: Turns;
  #runs = 0;

  constructor(
    turn: Turn,
    queens: Queens,
    parts: {
      readonly places: Places;
      readonly turns: Turns;
      readonly journal: Journal;
      readonly replies: Replies;
    },
    kinds: ReadonlySet<string>,
  ) {
    this.#turn = turn;
    this.#queens = queens;
    this.#places = parts.places;
    this.#turns = parts.turns;
    this.#journal = parts.journal;
    this.#replies = parts.replies;
    this.#kinds = kinds;
  }

  // What the Queen says

  /** @throws ProtocolError when the assignment makes no sense */
  assign(session: AgentSession, message: Message<'TaskAssign'>): void {
    const { queen, incarnation } = session;
    const spec = session.specs.get(message.job);
    if (spec === undefined) throw new ProtocolError('a lease of a job without its JobSpec');
    const key = keyOf(incarnation, message.lease);
    if (queen.leases.has(key)) throw new ProtocolError(`lease ${message.lease} was assigned twice`);
    const lease = leaseOf(message, { queen: queen.id, incarnation, session: session.number }, spec);
    const ahead =
      message.behind === undefined ? null : this.#placeOf(this.#queens.find(session, message.behind));
    // Where the lease ahead has ended already, the work that its end asked for is what came.
    if (ahead === null && session.ended.get(message.behind as LeaseNumber) !== false)
      session.credit -= slotsOf(spec);
    if (!this.#kinds.has(spec.kind)) {
      this.#refuseKind(session, lease);
      return;
    }
    const place = this.#placeFor(session, lease, ahead);
    if (ahead === null) this.#turns.came(session, slotsOf(spec), place !== null);
    if (place === null) {
      this.#replies.handBack(session, lease);
      return;
    }
    queen.leases.set(key, lease);
    this.#journal.received(lease);
    place.waiting = lease;
    this.#advance(place);
  }

  #placeFor(session: AgentSession, { spec }: Lease, ahead: Place | null): Place | null {
    if (this.#replies.isDraining || session.isDraining || ahead?.waiting) return null;
    if (ahead !== null) return ahead.away === 'no' ? ahead : null;
    const slots = slotsOf(spec);
    return this.#turns.mayTake(session, slots) ? this.#places.take(slots, this.#turn.now) : null;
  }

  retract(session: AgentSession, { lease: number, end }: Message<'Retract'>): void {
    const lease = this.#queens.find(session, number);
    if (lease === null || lease.cancelledAt !== null || lease.isSilent) return;
    const { stage } = lease;
    if (stage.at === 'running') {
      lease.retractsAsked++;
      this.#orderEnd(stage, Math.min(end, lease.end));
      return;
    }
    lease.end = Math.min(end, lease.end);
    this.#queens.send(session, { type: 'Retracted', lease: lease.number, end: lease.end });
    if (lease.end > 0) return;
    rememberEnd(session, lease.number, false);
    this.#removeWaiting(lease);
  }

  cancel(session: AgentSession, { lease: number, index, reason }: Message<'CancelTask'>): void {
    const lease = this.#queens.find(session, number);
    if (lease === null || lease.cancelledAt !== null || lease.isSilent) return;
    if (index === undefined) this.#cancelLease(lease, reason);
    else this.#cancelTask(lease, positionOf(lease, index), reason);
  }

  /** The Queen wants to hear what the tasks of a job print; again: from the beginning. */
  watch(session: AgentSession, { job, on }: Message<'WatchOutput'>): void {
    if (on) session.watched.add(job);
    else session.watched.delete(job);
    for (const { job: other, stage } of session.queen.leases.values()) {
      if (other !== job || stage.at !== 'running') continue;
      this.#turn.effects.push({ type: 'watchSlot', slot: stage.slot, run: stage.run, on });
    }
  }

  /** Results are durable. */
  acknowledge(session: AgentSession, message: Message<'ResultAck'>): void {
    const { leases, incarnation = session.incarnation } = message;
    for (let i = 0; i + 1 < leases.length; i += 2) {
      const lease = leases[i] as LeaseNumber;
      session.backlogBytes -= session.queen.outbox.acknowledge(incarnation, lease, leases[i + 1]!);
    }
    this.#replies.sendBacklog(session);
  }

  /** Hands back what waits, and lets what runs end with the task that it is at. */
  drain(): void {
    this.#replies.isDraining = true;
    for (const place of [...this.#places.taken()]) {
      if (place.waiting !== null) this.#giveUpWaiting(place.waiting);
      const stage = place.running?.stage;
      if (stage?.at === 'running') this.#orderEnd(stage, 0);
    }
  }
  /** Hands back what waits for one Queen. */
  handBackWaiting(queen: Queen): void {
    for (const lease of [...queen.leases.values()])
      if (lease.stage.at === 'waiting') this.#giveUpWaiting(lease);
  }

  /** The Queen will not come back: nothing of hers is started, what runs is aborted, her results are let go. */
  drop(queen: Queen): void {
    queen.outbox.clear();
    const leases = [...queen.leases.values()];
    for (const lease of leases)
      if (lease.stage.at === 'waiting') this.#removeWaiting(lease);
      else if (lease.cancelledAt === null) this.#cancelLease(lease, 'the Queen of this lease is gone');
    this.#queens.forgetIfIdle(queen);
    if (leases.length === 0) return;
    const event = { type: 'leasesDropped', queen: queen.id, leases: leases.length } as const;
    this.#turn.effects.push({ type: 'report', event });
  }

  // What the slots say

  slotReady(slot: SlotNumber): void {
    this.#places.setReady(slot, true);
    this.#slotEased(slot);
  }

  slotReported(event: SlotEvent<'slotReported'>): void {
    const running = this.#running(event);
    if (running === null) {
      this.#dropOutputs(event.slot, event.run, event);
      return;
    }
    const { lease, stage } = running;
    if (event.at !== lease.done || event.at + event.count > lease.count) {
      throw new InvariantError(
        `slot ${event.slot} reported [${event.at}, +${event.count}) of lease ${lease.number}`,
        [`done ${lease.done}, end ${lease.end}, count ${lease.count}`],
      );
    }
    if (event.ended) this.#end(running, event);
    else if (event.count > 0) {
      this.#report(running, event, false);
      if (this.#places.isOverfull(event.slot) && !stage.isPaused) {
        stage.isPaused = true;
        this.#turn.effects.push({ type: 'pauseSlot', slot: stage.slot, run: stage.run });
      }
    }
  }

  slotProgressed(event: SlotEvent<'slotProgressed'>): void {
    const running = this.#running(event);
    if (running === null) return;
    const { now } = this.#turn;
    const { lease, stage } = running;
    stage.task = event.task && taskSeen(event.task, now);
    stage.sampleAt = sampleAtOf(lease, stage, now);
    const kill = isBeingEnded(lease, stage) ? null : judge(lease, stage, now);
    if (kill !== null) this.#turn.effects.push(killOrder(stage, kill));
  }

  slotRetracted(event: SlotEvent<'slotRetracted'>): void {
    const running = this.#running(event);
    if (running === null) return;
    const { lease } = running;
    lease.end = Math.min(lease.end, Math.max(event.end, lease.done));
    if (lease.retractsAsked === 0 || lease.cancelledAt !== null) return;
    lease.retractsAsked--;
    lease.isSilent = lease.end === 0;
    const { session } = this.#queenOf(lease);
    if (session === null) return;
    const startedMillis = event.task === null ? {} : { startedMillis: Math.floor(event.task.runningMillis) };
    this.#queens.send(session, { type: 'Retracted', lease: lease.number, end: lease.end, ...startedMillis });
    if (lease.isSilent) rememberEnd(session, lease.number, false);
  }

  slotPulled(event: SlotEvent<'slotPulled'>): void {
    const running = this.#running(event);
    if (running === null) return;
    const { position, offset, length } = event;
    running.lease.pulls.set(`${position}:${offset}`, { position, offset, length });
    const { session } = this.#queenOf(running.lease);
    if (session !== null) this.#replies.pull(session, running.lease, event);
  }

  slotPrinted(event: SlotEvent<'slotPrinted'>): void {
    const lease = this.#running(event)?.lease;
    if (lease === undefined) return;
    const { session } = this.#queenOf(lease);
    if (session === null || !session.watched.has(lease.job)) return;
    const { stream, offset, data, position } = event;
    const index = indexAt(lease, position);
    this.#queens.send(session, { type: 'TaskOutput', lease: lease.number, index, stream, offset, data });
  }

  slotDied(event: SlotEvent<'slotDied'>): void {
    this.#places.setReady(event.slot, false);
    const running = event.run === null ? null : this.#running({ slot: event.slot, run: event.run });
    const reason = running === null ? event.message : deathReason(running.stage, event.message);
    this.#turn.effects.push({ type: 'report', event: { type: 'slotReplaced', slot: event.slot, reason } });
    if (running === null) return;
    const { lease, stage } = running;
    const blamed = event.position === lease.done ? blame(lease, stage, event.message, event.code) : null;
    this.#end(running, { ...NOTHING, at: lease.done, ...(blamed && { count: 1, failures: [blamed] }) });
  }

  /** A task waits for what it has submitted, or has what it waited for. */
  slotWaits(event: SlotEvent<'slotWaits'>): void {
    const place = this.#running(event)?.place;
    if (place === undefined || !rest(this.#turn, this.#places, place, event)) return;
    // Who waits for others must not be waited for.
    if (place.waiting !== null) this.#giveUpWaiting(place.waiting);
  }

  /** Results of this slot were let go. */
  released(slot: SlotNumber | null, bytes: number, files: readonly OutputFile[]): void {
    if (files.length > 0) this.#turn.effects.push({ type: 'dropOutputs', files });
    this.#places.addUnacked(slot, -bytes);
    if (slot !== null && bytes > 0) this.#slotEased(slot);
  }

  // Deadlines

  tick(): void {
    const { now } = this.#turn;
    for (const place of this.#places.taken()) {
      const stage = place.running?.stage;
      if (stage?.at !== 'running' || now < stage.sampleAt) continue;
      stage.sampleAt = now + LIMITS.reportMillis;
      this.#turn.effects.push({ type: 'sampleSlot', slot: stage.slot, run: stage.run });
    }
  }

  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const place of this.#places.taken()) {
      if (place.running?.stage.at === 'running') next = Math.min(next, place.running.stage.sampleAt);
    }
    return next;
  }

  // A lease's way through its place

  /** Starts what waits at a place, if its slot can take it; frees a place that has nothing left to do. */
  #advance(place: Place): void {
    const lease = place.waiting;
    if (place.running !== null) return;
    if (lease === null) {
      this.#places.release(place);
      return;
    }
    if (!this.#places.mayStart(place)) return;
    if (this.#places.isAwaited || this.#turns.isOver(place, this.#queenOf(lease))) {
      this.#giveUpWaiting(lease);
      return;
    }
    if (!this.#places.resize(place, slotsOf(lease.spec))) {
      this.#giveUpWaiting(lease);
      return;
    }
    place.waiting = null;
    place.running = lease;
    this.#start(place.slots[0]!, lease);
  }

  #start(slot: SlotNumber, lease: Lease): void {
    const run = ++this.#runs;
    const { now, effects } = this.#turn;
    const stage: Running = {
      at: 'running',
      run,
      slot,
      startedAt: now,
      task: null,
      sampleAt:
        now + Math.min(LIMITS.reportMillis, lease.spec.attemptTimeoutMillis ?? Number.POSITIVE_INFINITY),
      isPaused: false,
      kill: null,
    };
    lease.stage = stage;
    const isWatched = this.#queenOf(lease).session?.watched.has(lease.job) === true;
    effects.push({ type: 'startLease', slot, run, ...partsOf(lease), isWatched });
    for (const [position, { reason }] of lease.aborts) {
      effects.push({ type: 'abortTask', slot, run, position, reason });
    }
  }

  /** The slot is through with this lease: reports the last of it, and goes on with what waits. */
  #end(running: RunningLease, last: Finished): void {
    const { lease, stage, place } = running;
    const queen = this.#queenOf(lease);
    const { session } = queen;
    const { startedAt } = stage;
    if (lease.cancelledAt === null) this.#report(running, last, true, startedAt);
    else {
      this.#dropOutputs(stage.slot, stage.run, last);
      this.#close(running);
      if (session !== null) {
        this.#replies.end(session, lease, [emptyCompletion(lease, 0)], place);
      }
    }
    this.#queens.forgetIfIdle(queen);
  }

  #report(running: RunningLease, finished: Finished, isEnd: boolean, startedAt = 0): void {
    const { lease, stage, place } = running;
    if (lease.cancelledAt !== null) {
      lease.done += finished.count;
      this.#dropOutputs(stage.slot, stage.run, finished);
      return;
    }
    const queen = this.#queenOf(lease);
    const messages = completionsOf(lease, finished);
    for (const { position } of finished.streams ?? []) {
      lease.outputs.set(indexAt(lease, position), outputFile(stage.slot, stage.run, position));
    }
    lease.done += finished.count;
    for (const [key, { position }] of lease.pulls) if (position < lease.done) lease.pulls.delete(key);
    this.#note(lease, messages, finished);
    for (const message of messages)
      if (message.count > 0) this.#places.addUnacked(stage.slot, costOf(message));
    if (isEnd) {
      this.#close(running);
      this.#journal.ended(lease, startedAt, finished.failures[0]?.outcome ?? 'succeeded');
    }
    if (isEnd && queen.session !== null) {
      if (!lease.isSilent) this.#replies.end(queen.session, lease, messages, place, stage.slot);
      return;
    }
    if (isEnd) messages.push({ ...messages.pop()!, ended: true });
    this.#replies.deliver(queen, lease, messages, stage.slot);
  }

  #note(lease: Lease, messages: Message<'TaskComplete'>[], finished: Finished): void {
    this.#journal.finished(finished.count, finished.failures.length, finished.busyMicros);
    if (messages[0]!.count === 0) return;
    this.#journal.reported(lease, messages[0]!);
    const { display } = lease.result;
    if (display !== undefined) messages[0] = { ...messages[0]!, display };
  }

  /** These outputs will not be reported. */
  #dropOutputs(slot: SlotNumber, run: number, { streams = [] }: Pick<Finished, 'streams'>): void {
    if (streams.length === 0) return;
    const files = streams.map(({ position }) => outputFile(slot, run, position));
    this.#turn.effects.push({ type: 'dropOutputs', files });
  }

  /** Takes a lease out of its place, which goes on with what waits. */
  #close({ lease, stage, place }: RunningLease): void {
    lease.stage = { at: 'over' };
    const queen = this.#queenOf(lease);
    this.#turns.ran(queen, slotsOf(lease.spec), this.#turn.now - stage.startedAt);
    queen.leases.delete(keyOf(lease.incarnation, lease.number));
    place.running = null;
    this.#places.forgetAway(place);
    this.#advance(place);
  }

  #refuseKind(session: AgentSession, lease: Lease): void {
    const message = `This Drone does not run tasks of the kind "${lease.spec.kind}".`;
    const failures: SlotFailure[] = [];
    for (let position = 0; position < lease.count; position++) {
      failures.push({ position, outcome: 'failed', code: 'unknownKind', message, retryable: false });
    }
    const messages = completionsOf(lease, { ...NOTHING, at: 0, count: lease.count, failures });
    this.#journal.finished(lease.count, lease.count, 0);
    this.#replies.end(session, lease, messages, NO_PLACE);
  }

  /** A lease that waits at a place and cannot start there. */
  #giveUpWaiting(lease: Lease): void {
    const { session } = this.#queenOf(lease);
    this.#removeWaiting(lease);
    if (session !== null) this.#replies.handBack(session, lease);
  }

  #removeWaiting(lease: Lease): void {
    const place = this.#placeOf(lease);
    lease.stage = { at: 'over' };
    this.#queenOf(lease).leases.delete(keyOf(lease.incarnation, lease.number));
    if (place === null) return;
    place.waiting = null;
    this.#advance(place);
  }

  #cancelLease(lease: Lease, reason: string): void {
    const queen = this.#queenOf(lease);
    this.#replies.discard(queen, lease);
    lease.cancelledAt = this.#turn.now;
    const { stage } = lease;
    if (stage.at !== 'running') {
      this.#removeWaiting(lease);
      if (queen.session === null) return;
      rememberEnd(queen.session, lease.number, false);
      this.#replies.deliver(queen, lease, [{ ...emptyCompletion(lease, 0), ended: true }], null);
      return;
    }
    const { slot, run } = stage;
    this.#orderEnd(stage, 0);
    this.#turn.effects.push({ type: 'abortTask', slot, run, position: null, reason });
    stage.sampleAt = sampleAtOf(lease, stage, this.#turn.now);
  }

  #cancelTask(lease: Lease, position: number | null, reason: string): void {
    if (position === null || position < lease.done || position >= lease.end) return;
    if (lease.aborts.has(position)) return;
    lease.aborts.set(position, { at: this.#turn.now, reason });
    if (lease.stage.at !== 'running') return;
    const { slot, run } = lease.stage;
    this.#turn.effects.push({ type: 'abortTask', slot, run, position, reason });
  }

  #orderEnd({ slot, run }: Running, end: number): void {
    this.#turn.effects.push({ type: 'retractLease', slot, run, end });
  }

  /** A slot can do more than before: it is up, or its results were acknowledged. */
  #slotEased(slot: SlotNumber): void {
    const place = this.#places.placeOf(slot);
    if (place === null || place.slots[0] !== slot) return;
    const stage = place.running?.stage;
    if (stage === undefined) this.#advance(place);
    else if (stage.at === 'running' && stage.isPaused && this.#places.mayResume(slot)) {
      stage.isPaused = false;
      this.#turn.effects.push({ type: 'resumeSlot', slot, run: stage.run });
    }
  }

  #running({ slot, run }: { slot: SlotNumber; run: number }): RunningLease | null {
    const place = this.#places.placeOf(slot);
    const lease = place?.running;
    if (!place || !lease || lease.stage.at !== 'running' || lease.stage.run !== run) return null;
    return { lease, stage: lease.stage, place };
  }

  #placeOf(lease: Lease | null): Place | null {
    if (lease === null) return null;
    for (const place of this.#places.taken()) {
      if (place.running === lease || place.waiting === lease) return place;
    }
    return null;
  }

  #queenOf(lease: Lease): Queen {
    const queen = this.#queens.get(lease.queen);
    if (queen === undefined)
      throw new InvariantError(`lease ${lease.number} has outlived its Queen's record`);
    return queen;
  }
}
