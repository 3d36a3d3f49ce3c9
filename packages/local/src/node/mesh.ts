/**
 * A node's view of the others: who they are, how they do, which jobs they own. It finds every Queen of the cluster, watches
 * each, tells its own Queen what it hears, and answers her when she asks about a job that is not hers. There is no
 * coordinator: every node does the same.
 */
import {
  type AskElsewhere,
  entriesOfEach,
  entriesOfRest,
  type NodeFacts,
  type NodePage,
  type NodeState,
  type Queen,
  unfinished,
} from '@hive/queen';
import { type KnownQueen, LIMITS, type Message, type Plain } from '@hive/shared';
import {
  type Access,
  type Address,
  DiscoverySeeker,
  formatAddress,
  randomPeerId,
  reachOf,
  seekingOf,
} from '@hive/shared/node';
import { type PeerHost, PeerLink } from './peer-link.ts';

type Body = { readonly [key: string]: Plain | undefined };

export interface MeshOptions {
  readonly queen: Queen;
  readonly access: () => Access;
  /** Queens that are to be found though nobody announces them. */
  readonly named: readonly Address[];
  /** UDP port by which the others are found; null: not at all. */
  readonly discoveryPort: number | null;
  readonly peerTimeoutMillis: number;
  /** Where Queens are that this node's Drone shall work for, its own first, has changed. */
  readonly onQueens: (addresses: readonly Address[]) => void;
  readonly onEvent: (event: MeshEvent) => void;
}
export type MeshEvent = {
  /** `keyRefused`: it does not take this node's key, which is of an older generation than its own, or of a newer. */
  readonly type: 'nodeJoined' | 'nodeLost' | 'nodeLeft' | 'keyRefused';
  readonly node: string;
  readonly name: string;
  readonly address: string;
};

/** Summaries of jobs that did not come with an overview, which has the newest only, are asked for this often. */
const JOBS_MILLIS = 10_000;
const SWEEP_MILLIS = 1_000;
/** A node that does not give its page of a list in this time is taken for away. */
const LIST_MILLIS = 1_000;
/** Jobs on a page, unless it is said. */
const JOBS_LISTED = 100;

export class Mesh implements PeerHost {
  readonly peer = randomPeerId();
  readonly name: string;
  readonly access: () => Access;
  readonly #options: MeshOptions;
  readonly #links = new Set<PeerLink>();
  readonly #names = new Map<string, string>();
  readonly #seeker: DiscoverySeeker | null;
  readonly #timer: NodeJS.Timeout;
  #sweeps = 0;
  #isClosed = false;
  #listed = '';

  constructor(options: MeshOptions) {
    this.#options = options;
    const { queen, access, named, discoveryPort } = options;
    this.name = queen.name;
    this.access = access;
    const seeking = seekingOf(access, discoveryPort);
    // A node that listens on this machine only has no use for others elsewhere: they could not work for it.
    const isLocal = reachOf(queen.address.host) === 'loopback' ? ({ reach: 'loopback' } as const) : {};
    this.#seeker =
      seeking === null
        ? null
        : new DiscoverySeeker({ ...seeking, ...isLocal, onQueen: (known) => this.#found(known) });
    // A machine without UDP has no discovery; Queens that were named are left.
    void this.#seeker?.start().catch(() => {});
    for (const address of named) this.#links.add(new PeerLink(this, [address], null));
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MILLIS);
    queen.askElsewhere({ ask: (request) => this.#ask(request), list: (query) => this.#list(query) });
    this.#tellQueens();
  }

  /** Nodes that are connected now. */
  get connected(): number {
    let open = 0;
    for (const link of this.#links) if (link.isOpen) open++;
    return open;
  }

  /** Whether this is where this node, or one that is connected, is reached. */
  knows(address: Address): boolean {
    const text = formatAddress(address);
    if (text === formatAddress(this.#options.queen.dialAddress)) return true;
    return [...this.#links].some((link) => link.isOpen && formatAddress(link.address) === text);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    const links = [...this.#links].map((link) => link.close('the node stops'));
    await Promise.all([this.#seeker?.close(), ...links]);
  }

  // What links say

  opened(link: PeerLink, { queen, name }: Message<'Welcome'>): boolean {
    const isKnown = [...this.#links].some((other) => other !== link && other.queen === queen && other.isOpen);
    if (queen === this.#options.queen.id || isKnown) {
      this.#links.delete(link);
      this.#tellQueens();
      return false;
    }
    // One that was only heard of is this one.
    for (const other of this.#links) if (other !== link && other.queen === queen) this.#remove(other);
    this.#names.set(queen, name);
    this.#say('nodeJoined', link);
    this.#tellQueens();
    void this.#refreshJobs(link);
    return true;
  }

  overview(link: PeerLink, body: Plain): void {
    const { status, jobs } = body as { status?: Body; jobs?: readonly Plain[] };
    if (link.queen !== null && status === undefined)
      this.#options.queen.tellOfNodes({ type: 'jobsHeard', node: link.queen, jobs: jobs ?? [] });
    const node = status?.['node'] as Body | undefined;
    if (node === undefined) return;
    const facts = factsOf(link, node);
    const revoked = Number(node['revokedKeys'] ?? 0);
    if (revoked !== link.revokedKeys) void this.#learnRevoked(link, revoked);
    if (facts !== null) this.#options.queen.tellOfNodes({ type: 'nodeHeard', facts, jobs: jobs ?? [] });
  }

  /** Her tasks are not for this node's Drone either, which has the same key. */
  keyRefused(link: PeerLink): void {
    if (this.#isClosed) return;
    this.#tellQueens();
    this.#say('keyRefused', link);
  }

  lost(link: PeerLink, isFarewell: boolean): void {
    if (this.#isClosed || link.queen === null) return;
    const { queen: node } = link;
    this.#options.queen.tellOfNodes({ type: isFarewell ? 'nodeLeft' : 'nodeFailed', node });
    this.#say(isFarewell ? 'nodeLeft' : 'nodeLost', link);
  }

  // Who there is

  #found({ queen, name, addresses }: KnownQueen): void {
    if (this.#isClosed || queen === this.#options.queen.id) return;
    const link = [...this.#links].find((one) => one.queen === queen);
    if (link !== undefined) link.moved(addresses);
    else if (this.#links.size < LIMITS.queensKnownMax) {
      this.#names.set(queen, name);
      this.#links.add(new PeerLink(this, addresses, queen));
    }
    this.#tellQueens();
  }

  /** Once a second: forgets who is gone for good, and asks for jobs now and then. */
  #sweep(): void {
    const heardOf = new Set(this.#seeker?.queens().map(({ queen }) => queen));
    const named = new Set(this.#options.named.map(formatAddress));
    for (const link of this.#links) {
      if (link.isOpen || named.has(formatAddress(link.address))) continue;
      const isSilent = performance.now() - link.seenAt >= this.#options.peerTimeoutMillis;
      if (isSilent && !heardOf.has(link.queen as never)) this.#remove(link);
    }
    this.#tellQueens();
    if (++this.#sweeps % (JOBS_MILLIS / SWEEP_MILLIS) !== 0) return;
    for (const link of this.#links) if (link.isOpen) void this.#refreshJobs(link);
  }

  #remove(link: PeerLink): void {
    this.#links.delete(link);
    this.#names.delete(link.queen ?? '');
    void link.close('this node is known otherwise');
    this.#tellQueens();
  }

  #tellQueens(): void {
    const own = this.#options.queen.dialAddress;
    const addresses = [own];
    for (const { reached } of this.#links) if (reached !== null) addresses.push(reached);
    const text = addresses.map(formatAddress).join(' ');
    if (text === this.#listed) return;
    this.#listed = text;
    this.#options.onQueens(addresses);
  }

  #say(type: MeshEvent['type'], { queen, address }: PeerLink): void {
    const node = queen ?? '';
    const name = this.#names.get(node) ?? node;
    this.#options.onEvent({ type, node, name, address: formatAddress(address) });
  }

  /** A key that is revoked at one node is worth nothing at any. */
  async #learnRevoked(link: PeerLink, count: number): Promise<void> {
    link.revokedKeys = count;
    const reply = await link.ask({ type: 'Query', request: 0, about: 'keys' });
    if (reply?.type !== 'Answer' || this.#isClosed) return;
    const { revoked } = reply.body as unknown as { revoked: readonly { readonly id: string }[] };
    this.#options.queen.tellOfNodes({ type: 'keysRevoked', keyIds: revoked.map(({ id }) => id) });
  }

  // Jobs

  async #refreshJobs(link: PeerLink): Promise<void> {
    const limit = LIMITS.jobsElsewhereMax;
    const reply = await link.ask({ type: 'Query', request: 0, about: 'jobs', limit });
    if (reply?.type !== 'Answer' || this.#isClosed) return;
    const status = await link.ask({ type: 'Query', request: 0, about: 'status' });
    if (status?.type !== 'Answer' || this.#isClosed) return;
    const { jobs } = reply.body as unknown as { jobs: readonly Plain[] };
    this.overview(link, { status: status.body, jobs } as unknown as Plain);
  }

  /** Whoever knows the job answers; the others refuse it. */
  readonly #ask: AskElsewhere = async (request) => {
    const asked = [...this.#links].filter((link) => link.isOpen);
    const replies = asked.map(async (link) => {
      const reply = await link.ask(request);
      if (reply === null || (reply.type === 'Refused' && reply.code === 'unknownJob'))
        throw new Error('not there');
      return withPlace(reply, link, this.#names.get(link.queen ?? '') ?? '');
    });
    return Promise.any(replies).catch(() => null);
  };

  /**
   * Every node gives some of its own jobs, and those that may have more for the page give those; a list does not wait long for
   * one that may be frozen.
   */
  async #list(query: Message<'Query'>): Promise<readonly NodePage[]> {
    const askedAt = performance.now();
    const asked = [...this.#links].filter((link) => link.isOpen && link.queen !== null);
    const { limit = JOBS_LISTED } = query;
    const first = { ...query, limit: entriesOfEach(limit, asked.length) };
    const answers = await Promise.all(asked.map((link) => this.#pageOf(link, first, LIST_MILLIS)));
    const pages = answers.filter((page) => page !== null);
    const more = unfinished(pages, limit);
    const left = LIST_MILLIS - (performance.now() - askedAt);
    if (more.length === 0 || left <= 0) return pages;
    const rest = entriesOfRest(limit, more.length);
    const rests = more.map(async ({ node, olderThan }) => {
      const link = asked.find(({ queen }) => queen === node);
      return link === undefined ? null : this.#pageOf(link, { ...query, limit: rest, olderThan }, left);
    });
    // One that has not answered has more.
    const found = new Map(
      (await Promise.all(rests)).flatMap((page) => (page === null ? [] : [[page.node, page]])),
    );
    return pages.map((page) => {
      const next = found.get(page.node);
      return next === undefined ? page : { ...next, jobs: [...page.jobs, ...next.jobs] };
    });
  }

  /** Null when it does not answer in time. */
  async #pageOf(link: PeerLink, query: Message<'Query'>, withinMillis: number): Promise<NodePage | null> {
    const reply = await link.ask(query, withinMillis);
    if (reply?.type !== 'Answer') return null;
    const { jobs, older } = reply.body as { jobs: readonly Body[]; older?: string };
    const own = jobs.filter(({ node }) => node === link.queen);
    const place = placeOf(link, this.#names.get(link.queen!) ?? '');
    return {
      node: link.queen!,
      jobs: own.map((job) => ({ ...job, ...place })),
      hasMore: older !== undefined,
    };
  }
}

/** An answer about a job says where its node is reached from here. */
function withPlace(
  reply: Message<'Answer' | 'Refused'>,
  link: PeerLink,
  nodeName: string,
): Message<'Answer' | 'Refused'> {
  const body = reply.type === 'Answer' ? (reply.body as Body) : null;
  if (reply.type !== 'Answer' || body?.['node'] === undefined) return reply;
  return { ...reply, body: { ...body, ...placeOf(link, nodeName) } as unknown as Plain };
}

const placeOf = (link: PeerLink, nodeName: string): Body => ({
  nodeName,
  nodeAddresses: link.addresses.map(formatAddress),
});

const STATES: readonly unknown[] = ['IDLE', 'BUSY', 'DRAINING'];

/** What a node says of itself; null for a Queen that is no node. */
function factsOf(link: PeerLink, body: Body | undefined): NodeFacts | null {
  if (body === undefined || link.queen === null) return null;
  const text = (name: string) => String(body[name] ?? '');
  const number = (name: string) => Number(body[name] ?? 0);
  return {
    node: link.queen,
    name: text('name'),
    version: text('version'),
    addresses: link.addresses.map(formatAddress),
    state: (STATES.includes(body['state']) ? body['state'] : 'BUSY') as NodeState,
    slots: number('slots'),
    busySlots: number('busySlots'),
    queue: number('queue'),
  };
}
