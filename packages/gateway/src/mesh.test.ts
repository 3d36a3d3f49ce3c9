/** The seam for nodes: peers are the mesh's, and a job of another node is answered for here, live or as it was known last. */
import { connect, type JobInfo } from '@hive/client';
import { startLocal } from '@hive/local';
import { expect, test } from '@jest/globals';
import { KeySession } from './access/sessions.ts';
import type { Mesh } from './mesh.ts';
import { Api } from './testing/api.ts';

test('a gateway that is part of a mesh answers for jobs of other nodes', async () => {
  await using stack = new AsyncDisposableStack();
  const other = await startLocal({ drones: 1, slots: 1 });
  stack.defer(() => other.stop());
  const access = { queen: other.address, key: other.key!, discoveryPort: 0 };
  const elsewhere = new KeySession(access);
  stack.defer(() => elsewhere.close());
  const known = new Map<string, JobInfo>();
  let isThere = true;
  const peer = {
    node_id: 'node-b',
    address: other.address,
    status: 'IDLE',
    last_heartbeat: '2026-01-01T00:00:00.000Z',
    metadata: {},
    version: '0.1.0',
  };
  const mesh: Mesh = {
    nodeId: 'node-a',
    peers: async () => [peer],
    sessionOf: async () => (isThere ? elsewhere : null),
    lastKnown: async (job) => known.get(job) ?? null,
  };
  const api = stack.use(await Api.start({ mesh }));
  const hive = await connect(access);
  stack.defer(() => hive.close());

  expect(await api.json(200, 'GET', 'peers')).toEqual({ peers: [peer] });
  expect(await api.json(201, 'POST', 'jobs', { command: 'true' })).toMatchObject({ target_node: 'node-a' });
  const { id } = await hive.submit({ kind: 'echo', inputs: [1, 2], attached: false });
  await (await hive.open(id)).done;
  expect(await api.json(200, 'GET', `jobs/${id}`)).toMatchObject({ job_id: id, status: 'JOB_COMPLETED' });
  expect((await api.get(`jobs/${id}/results`)).text.trim().split('\n').length).toBe(2);
  expect(await api.json(200, 'GET', `jobs/${id}/tasks/1`)).toMatchObject({ state: 'recorded' });
  expect(await api.json(200, 'DELETE', `jobs/${id}`)).toMatchObject({ status: 'JOB_COMPLETED' });

  known.set(id, await hive.job(id));
  isThere = false;
  expect(await api.json(200, 'GET', `jobs/${id}`)).toMatchObject({
    status: 'JOB_COMPLETED',
    last_known: true,
  });
  expect((await api.ask('DELETE', `jobs/${id}`)).status).toBe(503);
  expect((await api.get(`jobs/${id}/results`)).status).toBe(503);
  expect((await api.get('jobs/0192f0c1-0000-7000-8000-000000000000')).status).toBe(404);
});
