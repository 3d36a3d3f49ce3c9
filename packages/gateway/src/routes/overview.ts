/** How the Hive is, who works in it, and what this API is. */
import type { JobInfo, QueenStatus } from '@hive/client';
import type { RouteOptions } from 'fastify';
import { type JobStatusText, statusOf } from '../job-view.ts';
import { openApiOf } from '../openapi.ts';
import { peerOf } from '../peers.ts';
import { Health, Peers, Problem, Status } from '../schemas.ts';
import { VERSION } from '../version.ts';
import { type App, type Context, PREFIX } from './context.ts';

const TAGS = ['hive'];
const startedAt = performance.now();

export function addOverviewRoutes(app: App, context: Context, routes: readonly RouteOptions[]): void {
  const { own, nodeName, mesh, metrics, events } = context;
  app.get(
    `${PREFIX}/health`,
    {
      schema: { response: { 200: Health, 503: Health } },
      config: { described: { operationId: 'health', summary: 'Whether jobs can be given here', tags: TAGS } },
    },
    (_request, reply) => {
      const isUp = events.isLive;
      const uptime_seconds = (performance.now() - startedAt) / 1000;
      void reply
        .code(isUp ? 200 : 503)
        .send({ status: isUp ? 'ok' : 'unavailable', node_id: nodeName, version: VERSION, uptime_seconds });
    },
  );
  app.get(
    `${PREFIX}/status`,
    {
      schema: { response: { 200: Status } },
      config: { described: { operationId: 'status', summary: 'The Hive in numbers', tags: TAGS } },
    },
    async ({ caller }) => statusBody(await (await caller.session.hive()).status(), nodeName),
  );
  app.get(
    `${PREFIX}/peers`,
    {
      schema: { response: { 200: Peers } },
      config: { described: { operationId: 'peers', summary: 'Who works here', tags: TAGS } },
    },
    async ({ caller }) => {
      if (mesh !== null) return { peers: await mesh.peers() };
      const drones = await (await caller.session.hive()).drones({ limit: 1_000 });
      const now = new Date();
      return { peers: drones.map((drone) => peerOf(drone, now)) };
    },
  );
  app.get(
    '/metrics',
    {
      config: {
        described: {
          operationId: 'metrics',
          summary: 'For Prometheus',
          tags: TAGS,
          streams: { 'text/plain': "Prometheus' text format" },
        },
      },
    },
    async (_request, reply) => {
      const status = events.isLive ? await (await own.hive()).status() : null;
      return reply.type(metrics.contentType).send(await metrics.text(status));
    },
  );
  let document: string | null = null;
  app.get(
    '/openapi.json',
    {
      config: {
        described: {
          operationId: 'openapi',
          summary: 'This document',
          tags: TAGS,
          streams: { 'application/json': 'OpenAPI 3.1' },
        },
      },
    },
    (_request, reply) => {
      document ??= JSON.stringify(openApiOf(routes, VERSION, Problem as never));
      void reply.type('application/json; charset=utf-8').send(document);
    },
  );
}

function statusBody(status: QueenStatus, node: string) {
  const counts = { appended: 1, running: 1, succeeded: 0, failed: 0, cancelled: 0 };
  const jobs: Record<JobStatusText, number> = {
    JOB_PENDING: 0,
    JOB_RUNNING: 0,
    JOB_COMPLETED: 0,
    JOB_FAILED: 0,
    JOB_CANCELLED: 0,
  };
  for (const [state, count] of Object.entries(status.jobs))
    jobs[statusOf({ state: state as JobInfo['state'], counts })] += count;
  return {
    node_id: node,
    version: VERSION,
    queen: status.queen,
    store: status.store,
    uptime_seconds: status.uptimeMillis / 1000,
    peers: status.drones,
    slots: status.slots,
    busy_slots: status.busySlots,
    clients: status.clients,
    jobs,
    tasks_running: status.tasksRunning,
    tasks_ready: status.tasksReady,
    tasks_recorded: status.tasksRecorded,
    tasks_per_second: status.tasksPerSecond,
  };
}
