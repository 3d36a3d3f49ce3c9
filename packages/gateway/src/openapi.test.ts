/** The document is valid OpenAPI 3.1, says all that there is, and says what is really sent. */

import { expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Api } from './testing/api.ts';

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { readonly properties: object }>> };
}
interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { content: Readonly<Record<string, { schema: object }>> }>>;
}

test('the OpenAPI document is valid, whole, and true', async () => {
  await using api = await Api.start();
  const document = await api.json<Document & Record<string, unknown>>(200, 'GET', '/openapi.json');
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  expect(document.openapi).toBe('3.1.0');
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`),
  );
  expect(operations.sort()).toEqual(
    [
      'GET /health',
      'GET /status',
      'GET /peers',
      'GET /drones',
      'POST /drones/{id}/drain',
      'POST /drones/{id}/resume',
      'GET /jobs',
      'POST /jobs',
      'POST /jobs/batch',
      'GET /jobs/{id}',
      'DELETE /jobs/{id}',
      'GET /jobs/{id}/explain',
      'GET /jobs/{id}/results',
      'GET /jobs/{id}/logs',
      'GET /jobs/{id}/tasks/{index}',
      'GET /jobs/{id}/tasks/{index}/value',
      'GET /events',
      'GET /metrics',
      'GET /openapi.json',
    ].sort(),
  );
  const ids = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);

  const ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'api', ...document });
  const { job_id } = await api.json<{ job_id: string }>(201, 'POST', 'jobs', { command: 'echo hello' });
  await api.ended(job_id);
  const large = await api.json<{ job_id: string }>(201, 'POST', 'jobs', {
    command: 'yes | head -c 3000000; exit 3',
  });
  await api.ended(large.job_id);
  for (const [path, asked, method, status, body] of [
    ['/health', 'health', 'get', 200],
    ['/status', 'status', 'get', 200],
    ['/peers', 'peers', 'get', 200],
    ['/drones', 'drones', 'get', 200],
    ['/jobs', 'jobs', 'get', 200],
    ['/jobs', 'jobs', 'post', 201, { kind: 'echo', input: 1 }],
    ['/jobs/batch', 'jobs/batch', 'post', 200, { jobs: [{ command: 'true' }, {}] }],
    ['/jobs/{id}', `jobs/${job_id}`, 'get', 200],
    ['/jobs/{id}', `jobs/${large.job_id}`, 'get', 200],
    ['/jobs/{id}', `jobs/${job_id}`, 'delete', 200],
    ['/jobs/{id}/explain', `jobs/${job_id}/explain`, 'get', 200],
    ['/jobs/{id}/tasks/{index}', `jobs/${job_id}/tasks/0`, 'get', 200],
  ] as const) {
    const answer = await api.json(status, method.toUpperCase(), asked, body);
    const pointer = `api#/paths/${`/api/v1${path}`.replaceAll('/', '~1')}/${method}/responses/${status}/content/application~1json/schema`;
    const check = ajv.getSchema(pointer.replaceAll('{', '%7B').replaceAll('}', '%7D'))!;
    expect({ path, isValid: check(answer), errors: check.errors }).toEqual({
      path,
      isValid: true,
      errors: null,
    });
  }
  const isProblem = ajv.getSchema('api#/components/schemas/Problem')!;
  for (const [status, method, path, body] of [
    [404, 'GET', 'nothing'],
    [400, 'POST', 'jobs', { comand: 'true' }],
    [422, 'POST', 'jobs', { command: 'true', target_node: 'nobody' }],
  ] as const) {
    const problem = await api.json(status, method, path, body);
    expect(isProblem(problem)).toBe(true);
    expect(Object.keys(document.components.schemas['Problem']!.properties)).toEqual(
      expect.arrayContaining(Object.keys(problem)),
    );
  }
});
