/** The jobs of a whole mesh are listed in pages, each once and newest first, whatever happens to jobs and nodes meanwhile. */
import { type JobId, jobId, type SessionNumber } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { entriesOfEach, entriesOfRest, type NodePage, unfinished } from './scheduler/index.ts';
import { Stage } from './testing/stage.ts';

interface Info {
  readonly id: string;
  readonly createdAt: string;
  readonly lastKnownAt?: string;
}
interface Page {
  readonly jobs: readonly Info[];
  readonly older?: string;
}
const idOf = (n: number): JobId => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);

/** A Queen of a mesh: a stage, somebody who submits there, and the session in which another node asks. */
class Node {
  readonly stage = new Stage();
  readonly name: string;
  readonly client: SessionNumber;
  readonly #asker: SessionNumber;
  isAway = false;

  constructor(name: string) {
    this.name = name.repeat(32);
    this.client = this.stage.client();
    this.#asker = this.stage.node();
  }

  submit(n: number, now: number): void {
    this.stage.now = now;
    this.stage.submit(this.client, idOf(n));
  }
  end(id: string): void {
    this.stage.say(this.client, { type: 'Cancel', request: 0, job: jobId(id) });
    this.stage.take('Answer');
    this.stage.say(this.client, { type: 'Manage', request: 0, action: 'gc' });
    this.stage.take('Answer');
  }
  page(limit: number, olderThan: string | undefined): NodePage {
    const more = olderThan === undefined ? {} : { olderThan };
    this.stage.say(this.#asker, {
      type: 'Query',
      request: 1,
      about: 'jobs',
      limit,
      everywhere: true,
      ...more,
    });
    const { jobs, older } = this.stage.take('Answer')!.body as unknown as Page;
    return { node: this.name, jobs: jobs as never, hasMore: older !== undefined };
  }
}

/** What a client of the first node is answered, with the pages of the others that are there. */
function ask([asked, ...others]: readonly Node[], limit: number, olderThan?: string, each = limit): Page {
  const more = olderThan === undefined ? {} : { olderThan };
  asked!.stage.step({
    type: 'jobsGathered',
    session: asked!.client,
    message: { type: 'Query', request: 2, about: 'jobs', limit, everywhere: true, ...more },
    pages: others.filter(({ isAway }) => !isAway).map((node) => node.page(each, olderThan)),
  });
  return asked!.stage.take('Answer')!.body as unknown as Page;
}

/** Three nodes with so many jobs, in turn and some at the same millisecond. */
function three(count: number): Node[] {
  const nodes = [new Node('a'), new Node('b'), new Node('c')];
  for (let n = 0; n < count; n++) nodes[(n * 7) % 3]!.submit(n, 1_000 + (n >> 1));
  return nodes;
}

/** All pages until there is no older one. */
function readAll(nodes: readonly Node[], limit: number, each: number, between = (_: Page) => {}): Page[] {
  const pages: Page[] = [];
  for (let older: string | undefined; ; ) {
    const page = ask(nodes, limit, older, each);
    pages.push(page);
    if (page.older === undefined) return pages;
    older = page.older;
    between(page);
  }
}
const idsOf = (pages: readonly Page[]): string[] => pages.flatMap(({ jobs }) => jobs.map(({ id }) => id));
/** As one list with everything in it would have them. */
const downFrom = (n: number): string[] => Array.from({ length: n }, (_, i) => idOf(n - 1 - i));

describe('the jobs of all nodes', () => {
  test('come in pages of one order', () => {
    const pages = readAll(three(100), 7, 7);
    expect(idsOf(pages)).toEqual(downFrom(100));
    expect(pages.slice(0, -1).every(({ jobs }) => jobs.length === 7)).toBe(true);
  });

  test('come whole though each node gives only a few at once', () => {
    expect(idsOf(readAll(three(60), 50, 4))).toEqual(downFrom(60));
    expect(entriesOfEach(1_000, 20)).toBe(91);
    expect(entriesOfEach(10, 2)).toBe(10);
    expect(entriesOfRest(1_000, 1)).toBe(1_000);
    expect(entriesOfRest(1_000, 255)).toBeLessThan(1_000);
  });

  test('are asked for again only of nodes that may have more of them for the page', () => {
    const page = (node: string, from: number, count: number, hasMore: boolean): NodePage => ({
      node,
      jobs: Array.from({ length: count }, (_, i) => ({
        id: idOf(0),
        createdAt: `2026-01-01T00:00:00.${from - i}Z`,
      })),
      hasMore,
    });
    const of = (limit: number, ...pages: NodePage[]) => unfinished(pages, limit).map(({ node }) => node);
    // Even: the ten newest are all here.
    expect(of(10, page('a', 900, 8, true), page('b', 900, 8, true))).toEqual([]);
    // All that is new is at one node.
    expect(of(10, page('a', 900, 8, true), page('b', 500, 8, true))).toEqual(['a']);
    expect(unfinished([page('a', 900, 8, true)], 10)).toEqual([
      { node: 'a', olderThan: `2026-01-01T00:00:00.893Z ${idOf(0)}` },
    ]);
    // Too few altogether, and who has no more is not asked.
    expect(of(10, page('a', 900, 3, true), page('b', 500, 3, false), page('c', 0, 0, false))).toEqual(['a']);
  });

  test('are put in order though a node gives them in none', () => {
    const nodes = three(30);
    const [a, ...others] = nodes;
    const pages = others.map((node) => {
      const { jobs, ...page } = node.page(30, undefined);
      return { ...page, jobs: [...jobs].reverse() };
    });
    const message = { type: 'Query', request: 2, about: 'jobs', limit: 30, everywhere: true } as const;
    a!.stage.step({ type: 'jobsGathered', session: a!.client, message, pages });
    const page = a!.stage.take('Answer')!.body as unknown as Page;
    expect(idsOf([page])).toEqual(downFrom(30));
    expect(page.older).toBeUndefined();
  });

  test('neither repeat nor are left out when some go and others come meanwhile', () => {
    const nodes = three(60);
    let next = 1_000;
    const pages = readAll(nodes, 9, 9, ({ jobs }) => {
      // The last one that was listed goes, at whichever node it is, and new ones come everywhere.
      for (const node of nodes) {
        if (node.stage.state.jobs.has(jobs.at(-1)!.id as JobId)) node.end(jobs.at(-1)!.id);
        node.submit(next++, 1_000_000 + next);
      }
    });
    expect(idsOf(pages)).toEqual(downFrom(60));
  });

  test('go on with what was heard of a node that is away from then on, marked as such', () => {
    const nodes = three(60);
    const [a, , lost] = nodes;
    const facts = {
      node: lost!.name,
      name: 'c',
      version: '',
      addresses: ['10.0.0.3:8080'],
      state: 'IDLE',
      slots: 1,
      busySlots: 0,
      queue: 0,
    } as const;
    const heard = lost!.page(60, undefined).jobs.map((job) => ({ ...job, node: lost!.name }));
    a!.stage.step({ type: 'nodeHeard', facts, jobs: heard as never });
    const pages = readAll(nodes, 10, 10, () => {
      lost!.isAway = true;
    });
    expect(idsOf(pages)).toEqual(downFrom(60));
    const marked = pages.flatMap(({ jobs }) => jobs.filter(({ lastKnownAt }) => lastKnownAt !== undefined));
    const ofLost = new Set<string>([...lost!.stage.state.jobs.keys()]);
    expect(marked.length).toBeGreaterThan(10);
    expect(marked.every(({ id }) => ofLost.has(id))).toBe(true);
    expect(marked[0]).toMatchObject({ nodeName: 'c', nodeAddresses: ['10.0.0.3:8080'] });
    // While it was there, it spoke for itself.
    expect(pages[0]!.jobs.every(({ lastKnownAt }) => lastKnownAt === undefined)).toBe(true);
  });
});

test('a client that has gone before the nodes answered is not answered', () => {
  const nodes = three(3);
  const [a] = nodes;
  a!.stage.lose(a!.client);
  expect(() => ask(nodes, 10)).toThrow();
  expect(a!.stage.said.filter(({ message }) => message.type === 'Answer')).toEqual([]);
});
