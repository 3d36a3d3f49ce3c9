/** A job is pinned to a node that is known, here or away; a name that nobody has is refused with those that there are. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@hive/client';
import { type Node, startNode } from '@hive/local';
import { formatAddress } from '@hive/shared/node';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Api } from './testing/api.ts';

const data = mkdtempSync(join(tmpdir(), 'hive-gateway-test-'));
let here: Node;
let api: Api;
beforeAll(async () => {
  here = await startNode({ data, name: 'desk', slots: 1, port: 0, host: '127.0.0.1', discovery: null });
  const { key } = here.clientAccess as { readonly key: string };
  api = await Api.start({ queen: { queen: formatAddress(here.address), key, discoveryPort: 0 } }, 0);
  hear('a'.repeat(32), 'attic', 'FAILED');
  hear('b'.repeat(32), 'cellar', 'IDLE');
  hear('c'.repeat(32), 'twin', 'IDLE');
  hear('d'.repeat(32), 'twin', 'IDLE');
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await here.stop({ drain: false });
  rmSync(data, { recursive: true });
});

function hear(node: string, name: string, state: 'IDLE' | 'FAILED'): void {
  const facts = { node, name, version: '', addresses: [], slots: 1, busySlots: 0, queue: 0 };
  here.queen.tellOfNodes({ type: 'nodeHeard', facts: { ...facts, state }, jobs: [] });
}
const give = (status: number, body: object, headers = {}) =>
  api.json(status, 'POST', 'jobs', { command: 'true', ...body }, headers);

test('one that is known runs it, by its name or its whole id', async () => {
  const given = await give(201, { target_node: 'desk' });
  expect(given).toMatchObject({ target_node: 'desk', status: 'JOB_PENDING' });
  expect(given).not.toHaveProperty('message');
  expect(await api.ended(String(given['job_id']))).toMatchObject({
    status: 'JOB_COMPLETED',
    target_node: 'desk',
    result: { executor_node_id: 'desk' },
  });
  const byId = await give(201, { target_node: here.queen.id });
  expect(await api.ended(String(byId['job_id']))).toMatchObject({
    status: 'JOB_COMPLETED',
    target_node: here.queen.id,
    result: { executor_node_id: 'desk' },
  });
  expect(await give(201, { target_node: 'cellar' })).toMatchObject({ target_node: 'cellar' });
});

test('one that is away is waited for, and the answer says so', async () => {
  expect(await give(201, { target_node: 'attic' })).toMatchObject({
    target_node: 'attic',
    message: expect.stringMatching(
      /^The node attic is away, last heard of at 20\S+; the job waits until it is back\.$/,
    ),
  });
});

test('one that nobody knows is refused with those that are known: alone, in a batch, for an upload', async () => {
  const known = 'desk, attic (away), cellar, twin, twin';
  const refusal = {
    code: 'unknown_node',
    detail: `There is no node "atic". Known here: ${known}. Name one of them, or leave "target_node" out; for one that is still to come, give "labels": {"node": "atic"} in its place.`,
    errors: [{ pointer: '/target_node', detail: `must be one of the nodes that are known: ${known}` }],
  };
  expect(await give(422, { target_node: 'atic' })).toMatchObject(refusal);
  const { jobs } = await api.json<{ jobs: object[] }>(200, 'POST', 'jobs/batch', {
    jobs: [
      { command: 'true', target_node: 'atic' },
      { command: 'true', target_node: 'desk' },
    ],
  });
  expect(jobs).toMatchObject([refusal, { target_node: 'desk' }]);
  const upload = await api.ask('POST', 'jobs?kind=echo&target_node=atic', '1\n2\n', {
    'content-type': 'application/x-ndjson',
  });
  expect({ ...JSON.parse(upload.text), status: upload.status }).toMatchObject({ ...refusal, status: 422 });
  const later = await give(201, { labels: { node: 'atic' } });
  expect(later).toMatchObject({ target_node: 'atic' });
});

test('of two that are called the same one is named by its id', async () => {
  const [c, d] = ['c'.repeat(32), 'd'.repeat(32)];
  expect(await give(422, { target_node: 'twin' })).toMatchObject({
    code: 'ambiguous_node',
    detail: `2 nodes are called "twin". Name it by its id, one of: ${c}, ${d}.`,
  });
  expect(await give(201, { target_node: c })).toMatchObject({ target_node: c });
});

test('what was accepted once is answered as before, also when its node is not known any more', async () => {
  hear('e'.repeat(32), 'shed', 'IDLE');
  const once = { 'idempotency-key': 'shed-1' };
  const first = await give(201, { target_node: 'shed' }, once);
  here.queen.tellOfNodes({ type: 'nodeLeft', node: 'e'.repeat(32) });
  expect(await give(422, { target_node: 'shed' })).toMatchObject({ code: 'unknown_node' });
  // Another gateway remembers nothing of the first time.
  const { key } = here.clientAccess as { readonly key: string };
  await using other = await Api.start(
    { queen: { queen: formatAddress(here.address), key, discoveryPort: 0 } },
    0,
  );
  const body = { command: 'true', target_node: 'shed' };
  expect((await other.json(201, 'POST', 'jobs', body, once))['job_id']).toBe(first['job_id']);
});

test('a Drone that is no node and has just gone is waited for, as it would be when a task has crashed it', async () => {
  await using own = await Api.start();
  await using hive = await connect(own.queen);
  const [drone] = await hive.drones();
  const name = drone!.labels['node']!;
  const body = { command: 'true', target_node: name };
  expect(await own.json(201, 'POST', 'jobs', body)).not.toHaveProperty('message');
  await own.local.drones[0]!.stop({ drain: false });
  await own.until('drones', (answer) => (answer['drones'] as object[]).length === 0);
  expect(await own.json(201, 'POST', 'jobs', body)).toMatchObject({
    target_node: name,
    message: `The Drone ${name} was here a while ago and is away; the job waits until it is back.`,
  });
  await own.json(422, 'POST', 'jobs', { ...body, target_node: `${name}x` });
});
