/**
 * The OpenAPI 3.1 document, made from the routes as they were registered: from the very schemas that check what comes in
 * and write what goes out. Titled schemas become components, so each is there once.
 */
import type { RouteOptions } from 'fastify';

type Json = unknown;
interface Schema {
  readonly title?: string;
  readonly [key: string]: Json;
}
/** What a route says of itself besides what it takes and gives. */
export interface Described {
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly operationId: string;
  /** Media types that it may send, besides those of its schemas. */
  readonly streams?: Readonly<Record<string, string>>;
  readonly isOpen?: boolean;
}
interface RouteSchema {
  readonly body?: Schema | { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly querystring?: Schema;
  readonly params?: Schema;
  readonly headers?: Schema;
  readonly response?: Readonly<Record<string, Schema>>;
}

export function openApiOf(
  routes: readonly RouteOptions[],
  version: string,
  problem: Schema,
): Record<string, Json> {
  const components: Record<string, Json> = {};
  const named = (schema: Json) => withRefs(schema, components);
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const described = describedOf(route);
    if (described === null) continue;
    const path = route.url.replace(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][String(route.method).toLowerCase()] = operationOf(
      (route.schema ?? {}) as RouteSchema,
      described,
      named,
    );
  }
  named(problem);
  return {
    openapi: '3.1.0',
    info: {
      title: 'The Hive',
      version,
      description: 'Jobs, results and events of a Hive. Every error is a problem of RFC 9457.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }, {}],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description:
            'What "hive key --role client" or "--role observer" prints. Programs of the same account on the same machine need none.',
        },
      },
    },
  };
}

export const describedOf = (route: Pick<RouteOptions, 'config'>): Described | null =>
  (route.config as { described?: Described } | undefined)?.described ?? null;

function operationOf(schema: RouteSchema, described: Described, named: (schema: Json) => Json): Json {
  const { summary, description, tags, operationId, streams = {} } = described;
  const parameters = [
    ...parametersOf('path', schema.params, named),
    ...parametersOf('query', schema.querystring, named),
    ...parametersOf('header', schema.headers, named),
  ];
  const responses: Record<string, Json> = {};
  for (const [status, response] of Object.entries(schema.response ?? {}))
    responses[status] = {
      description: summary,
      content: { 'application/json': { schema: named(response) } },
    };
  if (Object.keys(streams).length > 0) {
    const content = Object.fromEntries(
      Object.entries(streams).map(([type, text]) => [
        type,
        { schema: { type: 'string', description: text } },
      ]),
    );
    responses['200'] = { description: summary, content };
  }
  responses['default'] = {
    description: 'A problem',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  return {
    operationId,
    summary,
    ...(description === undefined ? {} : { description }),
    tags,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(schema.body === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf(schema.body, named) } }),
    responses,
  };
}

function contentOf(body: NonNullable<RouteSchema['body']>, named: (schema: Json) => Json): Json {
  if (!('content' in body)) return { 'application/json': { schema: named(body) } };
  const content = body.content as Readonly<Record<string, { readonly schema: Schema }>>;
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema }]) => [type, { schema: named(schema) }]),
  );
}

function parametersOf(where: string, schema: Schema | undefined, named: (schema: Json) => Json): Json[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, Schema>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    required: where === 'path' || (required.includes(name) && rest['default'] === undefined),
    ...(description === undefined ? {} : { description }),
    schema: named(rest),
  }));
}

/** A copy in which titled schemas are references; what they say goes into `components`. */
function withRefs(schema: Json, components: Record<string, Json>): Json {
  if (Array.isArray(schema)) return schema.map((one) => withRefs(one, components));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { title, ...rest } = schema as Schema;
  const copy = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, withRefs(value, components)]),
  );
  if (typeof title !== 'string')
    return title === undefined ? copy : { ...copy, title: withRefs(title, components) };
  components[title] = copy;
  return { $ref: `#/components/schemas/${title}` };
}
