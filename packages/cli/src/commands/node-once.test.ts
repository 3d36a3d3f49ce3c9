/** An idempotency key that was used at one node of a mesh is known at the others, as far as it can be. */
import { request } from 'node:http';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TestMesh } from '../testing/mesh.ts';

/** Of this test file only, and none that the system gives away. */
const DISCOVERY_PORT = 18_442;

let mesh: TestMesh;
beforeEach(() => {
  mesh = new TestMesh(DISCOVERY_PORT);
});
afterEach(() => mesh.end());

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

test('the same key at another node is answered with the job that there is, also when its node is away', async () => {
  const [a, b] = [await mesh.start(), await mesh.start()];
  const hive = await mesh.client(b);
  await mesh.nodes(hive, (known) => known.length === 2);
  const key = { 'idempotency-key': 'invoice-4711' };
  const give = async (api: string, body: object, headers: Record<string, string> = key): Promise<Answer> => {
    const answer = await fetch(`${api}/jobs`, { method: 'POST', body: JSON.stringify(body), headers });
    return { status: answer.status, body: (await answer.json()) as Answer['body'] };
  };
  const paid = { command: 'echo paid', env: { A: '1' } };
  const first = await give(a.api, paid);
  expect(first).toMatchObject({ status: 201, body: { target_node: a.name } });
  const { job_id: id, created_at } = first.body;
  const again = { job_id: id, created_at, target_node: a.name, command: 'echo paid', kind: 'command' };
  const note = `It was given to the node ${a.name} before, with this idempotency key or job_id, and is that node's.`;
  expect(await give(b.api, paid)).toMatchObject({ status: 201, body: { ...again, message: note } });
  // Each line of an upload is an input; nothing of it is taken.
  const uploaded = await fetch(`${b.api}/jobs?kind=echo&job_id=${id}`, {
    method: 'POST',
    body: '1\n',
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect([uploaded.status, await uploaded.json()]).toMatchObject([422, { code: 'key_reused' }]);
  for (const other of [{ command: 'echo other' }, { kind: 'echo', input: 1 }, { ...paid, env: { A: '2' } }])
    expect(await give(b.api, other, { 'idempotency-key': 'invoice-4711' })).toMatchObject({
      status: 422,
      body: { code: 'key_reused' },
    });
  const listed = async () =>
    ((await (await fetch(`${b.api}/jobs`)).json()) as { jobs: { job_id: string }[] }).jobs;
  expect((await listed()).map(({ job_id }) => job_id)).toEqual([id]);
  const second = await give(a.api, paid, { 'idempotency-key': 'invoice-4712' });
  await mesh.heardOf(b, String(second.body['job_id']));
  a.running.child.kill('SIGKILL');
  await mesh.nodes(hive, (known) => known.some(({ name, state }) => name === a.name && state === 'FAILED'));
  const away = await give(b.api, paid, { 'idempotency-key': 'invoice-4712' });
  expect(away).toMatchObject({
    status: 201,
    body: {
      job_id: second.body['job_id'],
      target_node: a.name,
      message: `${note} The node is away; the job goes on when it is back.`,
    },
  });
  expect(await listed()).toHaveLength(2);
}, 180_000);

test('an upload of which not all inputs have come is accepted at no other node', async () => {
  const [a, b] = [await mesh.start(), await mesh.start()];
  const hive = await mesh.client(b);
  await mesh.nodes(hive, (known) => known.length === 2);
  const id = '01890000-0000-7000-8000-000000004713';
  const headers = { 'content-type': 'application/x-ndjson' };
  const path = `/jobs?kind=echo&job_id=${id}`;
  const upload = request(`${a.api}${path}`, { method: 'POST', headers });
  // It is torn off below.
  upload.on('error', () => {});
  upload.write('1\n'.repeat(200_000));
  await mesh.job(hive, id, ({ counts }) => counts.appended > 0);
  const again = async () => {
    const answer = await fetch(`${b.api}${path}`, { method: 'POST', body: '1\n', headers });
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  expect(await again()).toMatchObject({ status: 409, code: 'job_held' });
  upload.destroy();
  await mesh.job(hive, id, ({ state }) => state === 'cancelled');
  expect(await again()).toMatchObject({ status: 409, code: 'job_cancelled' });
}, 120_000);
