/**
 * Whether the node that a job is to be pinned to is one that is known. A name with a typo would be a job that waits for ever;
 * one that is known and away is taken, and the answer says that the job waits for it. Whoever means a node that is still to
 * come says so with a label, which nobody checks.
 */
import type { Hive, NodeInfo } from '@hive/client';
import { LIMITS } from '@hive/shared';
import { Problem } from './problem.ts';

/** Labels by which a job is pinned to a node: its name, and its id. */
export const NODE_LABEL = 'node';
export const NODE_ID_LABEL = 'nodeId';

const ID = /^[0-9a-f]{32}$/;
/** Names in a refusal. */
const NAMED_MAX = 20;
/** A Drone that was seen within this time is waited for. */
const AWAY_MILLIS = 600_000;

/** What is written says which of the two it is, so that the same request makes the same job whoever is there. */
export const labelOfNode = (written: string): Readonly<Record<string, string>> => ({
  [ID.test(written) ? NODE_ID_LABEL : NODE_LABEL]: written,
});

export class TargetNodes {
  readonly #open: () => Promise<Hive>;
  /** The question that is on its way is everybody's who asks meanwhile: batches ask a thousand times. */
  #asking: Promise<readonly NodeInfo[]> | null = null;
  /** Drones by name, and when each was seen here last: one that has crashed, or whose Queen has, is back in a moment. */
  readonly #seen = new Map<string, number>();

  constructor(open: () => Promise<Hive>) {
    this.#open = open;
  }

  /** What is to be said of the node, if anything. @throws Problem 422 when no node, and no Drone, is called so, or several are */
  async noteOn(written: string): Promise<string | null> {
    const nodes = await this.#nodes();
    const found = nodes.filter(({ name, id }) => name === written || id === written);
    if (found.length > 1) throw ambiguous(written, found);
    const [node] = found;
    if (node?.state === 'FAILED')
      return `The node ${written} is away, last heard of at ${node.lastHeardAt}; the job waits until it is back.`;
    return node === undefined ? await this.#noteOnDrone(written, nodes) : null;
  }

  #nodes(): Promise<readonly NodeInfo[]> {
    this.#asking ??= this.#open()
      .then((hive) => hive.nodes())
      .finally(() => {
        this.#asking = null;
      });
    return this.#asking;
  }

  /** A Drone that is no node's is called by its own name. */
  async #noteOnDrone(written: string, nodes: readonly NodeInfo[]): Promise<string | null> {
    const limit = LIMITS.answerEntriesMax;
    const drones = await (await this.#open()).drones({ limit });
    const names = drones.map(({ labels }) => labels[NODE_LABEL] ?? '');
    const now = performance.now();
    for (const name of names) this.#seen.set(name, now);
    for (const [name, at] of this.#seen) if (now - at >= AWAY_MILLIS) this.#seen.delete(name);
    // Of more than that nobody tells all.
    if (names.includes(written) || drones.length >= limit) return null;
    if (this.#seen.has(written))
      return `The Drone ${written} was here a while ago and is away; the job waits until it is back.`;
    throw unknown(written, [
      ...nodes.map(({ name, state }) => (state === 'FAILED' ? `${name} (away)` : name)),
      ...new Set(names.filter((name) => name !== '' && !nodes.some((node) => node.name === name))),
    ]);
  }
}

const POINTER = '/target_node';

function unknown(written: string, names: readonly string[]): Problem {
  const more = names.length > NAMED_MAX ? `, and ${names.length - NAMED_MAX} more` : '';
  const known = names.length === 0 ? 'none' : `${names.slice(0, NAMED_MAX).join(', ')}${more}`;
  return new Problem(
    422,
    'unknown_node',
    `There is no node "${written}". Known here: ${known}. Name one of them, or leave "target_node" out; for one that is still to come, give "labels": {"node": ${JSON.stringify(written)}} in its place.`,
    { errors: [{ pointer: POINTER, detail: `must be one of the nodes that are known: ${known}` }] },
  );
}

function ambiguous(written: string, nodes: readonly NodeInfo[]): Problem {
  const ids = nodes.map(({ id }) => id).join(', ');
  return new Problem(
    422,
    'ambiguous_node',
    `${nodes.length} nodes are called "${written}". Name it by its id, one of: ${ids}.`,
    { errors: [{ pointer: POINTER, detail: `must be the id of one of them: ${ids}` }] },
  );
}
