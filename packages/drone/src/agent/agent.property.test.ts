import type { Message } from '@hive/shared';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ModelQueen } from '../testing/model-queen.ts';
import { SimulatedSlot } from '../testing/simulated-slot.ts';
import { Agent } from './agent.ts';
import type { AgentEvent } from './events.ts';

const nth = fc.nat(8);
/** Often what makes work go on, seldom what disturbs it. */
const deed = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('assign' as const),
      count: fc.integer({ min: 1, max: 6 }),
      isBehind: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('retract' as const), nth, end: fc.nat(6) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('cancel' as const),
      nth,
      index: fc.option(fc.nat(6), { nil: undefined }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      nth,
      count: fc.nat(6),
      isReporting: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), nth }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ready' as const), nth }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('hearDrone' as const) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('hearQueen' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disconnect' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), millis: fc.nat(1_500) }) },
);
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

/** An agent, its slots, and its Queen, all of whom may be slow. */
class World {
  readonly agent: Agent;
  readonly queen = new ModelQueen();
  readonly slots: SimulatedSlot[];
  readonly #inbox: AgentEvent[] = [];
  #isStepping = false;
  now = 0;

  constructor(slots: number) {
    this.agent = new Agent({ slots, kinds: ['echo'] });
    this.slots = Array.from({ length: slots }, (_, n) => new SimulatedSlot(n, (event) => this.step(event)));
  }

  /** As the runtime does: what slots say meanwhile waits its turn. */
  step(event: AgentEvent): void {
    this.#inbox.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
      for (const effect of this.agent.step(next, this.now)) {
        if (effect.type === 'send') this.#send(effect.session, effect.message);
        else if (effect.type === 'close') {
          if (effect.code !== 'silent') throw new Error(`the session was closed: ${effect.message}`);
          if (effect.session === this.queen.session) this.queen.close();
        } else if (effect.type === 'openSlot') throw new Error('no task of this test waits');
        else if ('slot' in effect) this.slots[effect.slot]!.obey(effect);
      }
    }
    this.#isStepping = false;
  }

  #send(session: number, message: Message): void {
    if (this.queen.isOpen && session === this.queen.session) this.queen.fromDrone.push(message);
  }

  disconnect(): void {
    if (!this.queen.isOpen) return;
    this.queen.close();
    this.step({ type: 'sessionClosed', session: this.queen.session });
  }

  connect(): void {
    this.disconnect();
    const welcome: Message<'Welcome'> = {
      type: 'Welcome',
      protocol: 1,
      session: '0'.repeat(32),
      queen: 'a'.repeat(32) as never,
      incarnation: '1'.repeat(16) as never,
      epoch: 1,
      name: 'model',
      heartbeatMillis: 1_000,
      frameBytesMax: 2 ** 24,
      valueBytesMax: 2 ** 20,
      capabilities: [],
    };
    this.step({ type: 'sessionOpened', session: this.queen.open(), link: 1, welcome });
  }

  do(deed: Deed): void {
    const { queen, slots } = this;
    if (deed.do === 'assign') queen.assign(deed.count, deed.isBehind);
    else if (deed.do === 'retract') queen.retract(deed.nth, deed.end);
    else if (deed.do === 'cancel') queen.cancel(deed.nth, deed.index);
    else if (deed.do === 'work') slots[deed.nth % slots.length]!.work(deed.count, deed.isReporting);
    else if (deed.do === 'die') slots[deed.nth % slots.length]!.die();
    else if (deed.do === 'ready') slots[deed.nth % slots.length]!.ready();
    else if (deed.do === 'hearQueen') this.hearQueen();
    else if (deed.do === 'hearDrone') queen.hear();
    else if (deed.do === 'reconnect') this.connect();
    else if (deed.do === 'disconnect') this.disconnect();
    else this.wait(deed.millis);
  }

  hearQueen(): void {
    const message = this.queen.toDrone.shift();
    if (message === undefined) return;
    this.step({ type: 'messageReceived', session: this.queen.session, message });
  }

  wait(millis: number): void {
    const until = this.now + millis;
    for (
      let next = this.agent.nextDeadline();
      next !== null && next <= until;
      next = this.agent.nextDeadline()
    ) {
      this.now = Math.max(this.now, next);
      this.step({ type: 'tick' });
    }
    this.now = until;
  }

  /** Faults stop, and everything comes to its end. */
  heal(): void {
    if (!this.queen.isOpen) this.connect();
    for (let round = 0; round < 100; round++) {
      for (const slot of this.slots) {
        slot.ready();
        slot.work(100, true);
      }
      while (this.queen.toDrone.length + this.queen.fromDrone.length > 0) {
        this.hearQueen();
        this.queen.hear();
      }
    }
  }
}

test('whatever happens, every lease ends once, no report contradicts another, and no credit is lost', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(deed, { maxLength: 300, size: 'max' }),
      (slots, deeds) => {
        const world = new World(slots);
        for (const slot of world.slots) slot.ready();
        world.connect();
        for (const one of deeds) world.do(one);
        world.heal();
        expect(world.queen.leases.size).toBe(0);
        expect(world.queen.credit).toBe(slots);
        expect(world.agent.counters.unackedBytes).toBe(0);
        world.connect();
        expect(world.queen.fromDrone).toEqual([
          { type: 'Holdings', leases: [] },
          { type: 'TaskRequest', slots },
        ]);
      },
    ),
    { numRuns: 1_500 },
  );
});
