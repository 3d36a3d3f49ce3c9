/** The seam for nodes: peers are the mesh's, and jobs are said to be with the node whose gateway took them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNode } from '@hive/local';
import { formatAddress } from '@hive/shared/node';
import { expect, test } from '@jest/globals';
import type { Mesh } from './mesh.ts';
import { Api } from './testing/api.ts';

test('a gateway that is part of a mesh tells of its nodes', async () => {
  const peer = {
    node_id: 'node-b',
    address: '127.0.0.1:8081',
    status: 'IDLE' as const,
    last_heartbeat: '2026-01-01T00:00:00.000Z',
    metadata: {},
    version: '0.1.0',
  };
  const mesh: Mesh = { nodeId: 'node-a', peers: async () => [peer] };
  await using api = await Api.start({ mesh });
  expect(await api.json(200, 'GET', 'peers')).toEqual({ peers: [peer] });
  expect(await api.json(201, 'POST', 'jobs', { command: 'true' })).toMatchObject({ target_node: 'node-a' });
});

test('a job of a node that is away is as it was heard of; what only that node knows has to wait for it', async () => {
  const data = mkdtempSync(join(tmpdir(), 'hive-gateway-test-'));
  const here = await startNode({ data, slots: 1, port: 0, host: '127.0.0.1', discovery: null });
  const { key } = here.clientAccess as { readonly key: string };
  await using api = await Api.start(
    { queen: { queen: formatAddress(here.address), key, discoveryPort: 0 } },
    0,
  );
  const job = '0192f0c1-0000-7000-8000-00000000000a';
  const node = 'a'.repeat(32);
  const counts = { appended: 1, succeeded: 0, failed: 0, cancelled: 0, running: 1, recorded: 0 };
  const spec = { kind: 'command', name: 'make', priority: 0, sealed: true, attached: false };
  here.queen.tellOfNodes({
    type: 'nodeHeard',
    facts: {
      node,
      name: 'attic-1',
      version: '',
      addresses: [],
      state: 'FAILED',
      slots: 1,
      busySlots: 0,
      queue: 0,
    },
    jobs: [
      {
        id: job,
        node,
        state: 'running',
        counts,
        ...spec,
        elapsedMillis: 1,
        createdAt: '2026-01-01T00:00:00.000Z',
      },
    ],
  });
  expect(await api.json(200, 'GET', `jobs/${job}`)).toMatchObject({
    status: 'JOB_RUNNING',
    target_node: 'attic-1',
    last_known: true,
    last_known_at: expect.stringMatching(/^20\d\d-.*Z$/),
  });
  const { lines } = await api.json<{ lines: string[] }>(200, 'GET', `jobs/${job}/explain`);
  expect(lines[0]).toMatch(
    /^The job belongs to the node attic-1, which is away, last heard of at \S+; it goes on when that is back\. Ask again then\.$/,
  );
  for (const [method, path] of [
    ['GET', '/results'],
    ['GET', '/logs'],
    ['GET', '/tasks/0'],
    ['DELETE', ''],
  ] as const) {
    expect(await api.json(503, method, `jobs/${job}${path}`)).toMatchObject({
      code: 'node_away',
      node_id: 'attic-1',
      detail: expect.stringMatching(/ belongs to the node attic-1, which is away, last heard of at /),
    });
  }
  await here.stop({ drain: false });
  rmSync(data, { recursive: true });
});
