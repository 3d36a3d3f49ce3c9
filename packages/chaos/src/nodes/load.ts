/**
 * Who gives work to the nodes while they suffer: each order goes to one node under an idempotency key, again and again until
 * that node has answered for it, now and then once more after that. Meanwhile jobs are looked at wherever a node answers.
 */
import type { Log } from '../log.ts';
import type { Random } from '../random.ts';
import type { Answer, Api } from './api.ts';
import type { FleetNode } from './fleet.ts';
import { drawOrder, type Order } from './orders.ts';

export interface Acknowledged {
  readonly id: string;
  readonly order: Order;
  readonly owner: FleetNode;
}
export interface LoadCounts {
  /** Times that an order was given again. */
  repeated: number;
  /** Looks at jobs while nodes suffered; of them, those by which a node knew the job of another that was away, and did not. */
  looks: number;
  remembered: number;
  unknownElsewhere: number;
}

const AGAIN_MILLIS = 100;
const GIVERS = 6;
const REPEAT_SHARE = 0.2;
/** More than that are not looked at again in the time that there is. */
const JOBS_MAX = 5_000;
const PAUSE_MILLIS_MAX = 150;

export class Load {
  readonly acknowledged: Acknowledged[] = [];
  readonly counts: LoadCounts = { repeated: 0, looks: 0, remembered: 0, unknownElsewhere: 0 };
  readonly #nodes: readonly FleetNode[];
  readonly #api: Api;
  readonly #log: Log;
  readonly #givers: readonly Promise<void>[];
  #isOver = false;
  #wake: () => void = () => {};
  readonly #over = new Promise<void>((resolve) => {
    this.#wake = resolve;
  });

  constructor(nodes: readonly FleetNode[], api: Api, random: Random, log: Log) {
    this.#nodes = nodes;
    this.#api = api;
    this.#log = log;
    const givers = Array.from({ length: GIVERS }, () => this.#give(random.fork()));
    this.#givers = [...givers, this.#look(random.fork())].map((one) =>
      one.catch((error: Error) => log.problem(`giving work broke off: ${error.stack}`)),
    );
  }

  /** Nobody begins anything any more; what was begun and not acknowledged is no promise. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#wake();
    await Promise.all(this.#givers);
  }

  async #give(random: Random): Promise<void> {
    while (!this.#isOver && this.acknowledged.length < JOBS_MAX) {
      const order = drawOrder(random);
      const owner = random.pick(this.#nodes);
      const id = await this.#untilAnswered(owner, order);
      if (id === null) return;
      this.acknowledged.push({ id, order, owner });
      if (random.chance(REPEAT_SHARE)) {
        const again = await this.#untilAnswered(owner, order);
        this.counts.repeated++;
        if (again !== null && again !== id)
          this.#log.problem(`key ${order.key} was answered with job ${id}, and then with ${again}`);
      }
      await this.#pause(random.between(0, PAUSE_MILLIS_MAX));
    }
  }

  /** The job's id; null when the time is over before there was an answer. */
  async #untilAnswered(node: FleetNode, { key, body }: Order): Promise<string | null> {
    for (let attempt = 0; !this.#isOver; attempt++) {
      if (attempt > 0) await this.#pause(AGAIN_MILLIS);
      if (attempt === 1) this.counts.repeated++;
      const answer = await this.#ask(node, 'jobs', {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
      });
      if (answer === null || answer.status === 503) continue;
      if (answer.status === 201) return (JSON.parse(answer.text) as { job_id: string }).job_id;
      this.#log.problem(`${node.name} refused key ${key}: ${answer.status} ${answer.text}`);
      return null;
    }
    return null;
  }

  /** A job that was acknowledged is known to its node for ever, and to the others if they have heard of it. */
  async #look(random: Random): Promise<void> {
    while (!this.#isOver) {
      await this.#pause(AGAIN_MILLIS);
      if (this.acknowledged.length === 0) continue;
      const { id, owner } = random.pick(this.acknowledged);
      const node = random.pick(this.#nodes);
      const answer = await this.#ask(node, `jobs/${id}`);
      if (answer === null || answer.status === 503) continue;
      this.counts.looks++;
      if (answer.status === 404 && node !== owner) this.counts.unknownElsewhere++;
      else if (answer.status !== 200)
        this.#log.problem(`${node.name} says of job ${id} of ${owner.name}: ${answer.status} ${answer.text}`);
      else if ((JSON.parse(answer.text) as { last_known?: boolean }).last_known === true)
        this.counts.remembered++;
    }
  }

  /** Null when there was no answer. */
  #ask(node: FleetNode, path: string, options = {}): Promise<Answer | null> {
    if (node.api === null) return Promise.resolve(null);
    return this.#api.ask(`${node.api}/${path}`, options).catch(() => null);
  }

  #pause(millis: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const rest = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, millis);
    });
    return Promise.race([rest, this.#over]).finally(() => clearTimeout(timer));
  }
}
