/** What all routes work with, and how they find the job that they are about. */
import type { JobInfo } from '@hive/client';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller, Callers } from '../access/callers.ts';
import type { KeySession } from '../access/sessions.ts';
import type { EventLog } from '../event-log.ts';
import type { Mesh } from '../mesh.ts';
import type { Metrics } from '../metrics.ts';
import type { Described } from '../openapi.ts';
import { PREFIX } from '../paths.ts';
import { Problem } from '../problem.ts';
import type { SingleResults } from '../single-results.ts';
import type { Streams } from '../streams.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; known before anything else is done. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    described?: Described;
  }
}

export { PREFIX };

export interface Context {
  readonly callers: Callers;
  readonly own: KeySession;
  /** Of the Queen, or of the node that the gateway is part of. */
  readonly nodeName: string;
  readonly mesh: Mesh | null;
  readonly results: SingleResults;
  readonly events: EventLog;
  readonly metrics: Metrics;
  readonly streams: Streams;
}

export type App = FastifyInstance;
export type Request = FastifyRequest;
export type Reply = FastifyReply;

/** Of a job of another node, too: the Queen asks there. `lastKnownAt` says that it is away. @throws UsageError 'unknownJob' */
export async function findJob({ session }: Caller, id: string): Promise<JobInfo> {
  return await (await session.hive()).job(id);
}

/** A job that can be asked more than how it stands. @throws UsageError 'unknownJob'; Problem 503 when its node is away */
export async function findLiveJob(caller: Caller, id: string): Promise<JobInfo> {
  const info = await findJob(caller, id);
  if (info.lastKnownAt === undefined) return info;
  const known = (await (await caller.session.hive()).nodes()).find((node) => node.id === info.node);
  throw nodeAway(info, known?.name ?? info.nodeName ?? info.node ?? '', known?.lastHeardAt);
}

/** Seconds after which a node that is away is asked for again: it may be starting, or have its network back. */
const AWAY_SECONDS = 5;

/** @param lastHeardAt of the node; absent when it has been away for so long that it was forgotten */
function nodeAway(
  { id, state, lastKnownAt }: JobInfo,
  node: string,
  lastHeardAt: string | undefined,
): Problem {
  const heard = lastHeardAt === undefined ? '' : `, last heard of at ${lastHeardAt}`;
  const detail = `Job ${id} belongs to the node ${node}, which is away${heard}. The job is safe with it: ask again when it is back. Until then ${PREFIX}/jobs/${id} tells what was known at ${lastKnownAt}: it was ${state}.`;
  return new Problem(503, 'node_away', detail, {
    headers: { 'retry-after': String(AWAY_SECONDS) },
    members: { node_id: node, ...(lastHeardAt === undefined ? {} : { last_heartbeat: lastHeardAt }) },
  });
}
