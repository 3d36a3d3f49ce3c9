/**
 * What the validator found wrong, as sentences for people: which field, where, and what it must be. The validator's own words
 * ("must NOT have additional properties") say neither.
 */
import { nearest } from '@hive/shared';

/** One field that is wrong, by its JSON pointer in what was sent. */
export interface FieldProblem {
  readonly pointer: string;
  readonly detail: string;
}

/** Of ids in JSON and in paths. */
export const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';

/** What Ajv says of one mistake, with `verbose`. */
export interface Failing {
  readonly keyword?: string;
  readonly instancePath: string;
  readonly message?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** What was found. */
  readonly data?: unknown;
  /** The object's schema in which the rule stands. */
  readonly parentSchema?: { readonly properties?: Readonly<Record<string, unknown>> };
}

/** Where it stands, as Fastify calls it, in words. */
const PLACES: Readonly<Record<string, string>> = {
  body: 'the body',
  querystring: 'the query',
  params: 'the path',
  headers: 'the headers',
};
const NAMES_MAX = 12;

/**
 * What may be one of several things, and is none of them, is one problem that names them all; unless it is of the right type
 * for one, and wrong there.
 */
export function fieldsOf(validation: readonly Failing[]): readonly FieldProblem[] {
  const unions = new Set(validation.filter(isUnion).map(({ instancePath }) => instancePath));
  const fields: { pointer: string; detail: string }[] = [];
  for (const failing of validation) {
    const { instancePath: pointer, keyword } = failing;
    const inUnion = unions.has(pointer);
    if (isUnion(failing) || (inUnion && keyword === 'type' && isNearer(validation, pointer))) continue;
    const before = inUnion ? fields.find((field) => field.pointer === pointer) : undefined;
    if (before === undefined) fields.push({ pointer, detail: detailOf(failing) });
    else
      before.detail = `${before.detail.replace(FOUND, '')} or ${detailOf(failing).replace(/^must be /, '')}`;
  }
  return fields;
}

/** Behind what it must be: what it is. */
const FOUND = /, not [^,]*$/;

/** Whether one of the things that it may be was meant: it is of that type, and something else is wrong with it. */
const isNearer = (validation: readonly Failing[], pointer: string): boolean =>
  validation.some(
    ({ instancePath, keyword }) =>
      instancePath.startsWith(`${pointer}/`) ||
      (instancePath === pointer && keyword !== 'type' && keyword !== 'anyOf'),
  );

/** The first of them as a sentence, and that there are more. @param context as Fastify calls where it stands */
export function sentenceOf(fields: readonly FieldProblem[], context: string): string {
  const [{ pointer, detail }, ...more] = fields as [FieldProblem, ...FieldProblem[]];
  const place = PLACES[context] ?? 'the request';
  const where = pointer === '' ? place : `"${pointer.slice(1)}" in ${place}`;
  const rest = more.length === 0 ? '' : ` (${more.length} more: "errors" has them all)`;
  const end = detail.includes('; did you mean ') && rest === '' ? '?' : '.';
  return `${where[0]!.toUpperCase()}${where.slice(1)} ${detail}${rest}${end}`;
}

const isUnion = ({ keyword }: Failing): boolean => keyword === 'anyOf';

function detailOf(failing: Failing): string {
  const { keyword = '', message = 'is wrong', params = {}, data } = failing;
  const limit = Number(params['limit']);
  switch (keyword) {
    case 'additionalProperties':
      return unknownField(String(params['additionalProperty']), failing);
    case 'required':
      return `needs "${String(params['missingProperty'])}"`;
    case 'type':
      return `must be ${kindNamed(String(params['type']))}, not ${kindOf(data)}`;
    case 'enum':
      return `must be one of ${list(params['allowedValues'] as readonly unknown[])}`;
    case 'pattern':
      return params['pattern'] === UUID ? 'must be a UUID, in small letters' : message;
    case 'minLength':
    case 'minItems':
      return limit === 1 ? 'must not be empty' : message;
    case 'maxLength':
      return `may have ${limit} characters at most`;
    case 'maxItems':
      return `may have ${limit} entries at most`;
    case 'minimum':
      return `must be ${limit} or more`;
    case 'maximum':
      return `must be ${limit} or less`;
    case 'exclusiveMinimum':
      return `must be more than ${limit}`;
    default:
      return message;
  }
}

function unknownField(name: string, { parentSchema }: Failing): string {
  const known = Object.keys(parentSchema?.properties ?? {});
  const near = nearest(name, known);
  if (near.length > 0) return `has no field "${name}"; did you mean ${list(near)}`;
  const all =
    known.length <= NAMES_MAX ? `there are ${list(known)}` : '/openapi.json lists those that there are';
  return `has no field "${name}"; ${all}`;
}

const list = (values: readonly unknown[]): string => values.map((value) => `"${String(value)}"`).join(', ');

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a JSON object',
  null: 'null',
};
const kindNamed = (type: string): string => KINDS[type] ?? type;

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return value.length <= 20 ? `the text ${JSON.stringify(value)}` : 'a text';
  return typeof value === 'object' ? 'a JSON object' : 'nothing';
}
