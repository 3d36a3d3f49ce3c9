/**
 * Values as JSON on one line, for whatever prints results: what JSON cannot say becomes what comes closest, by a fixed rule, instead of
 * `{}` or an error. Bytes are `{"base64":…}`, as everywhere in `hive`; other typed arrays are lists of numbers; a BigInt is
 * its digits; a Map is a list of pairs, a Set a list; a Date is its ISO 8601 text; an Error its name and message; a RegExp its
 * text; `undefined`, NaN and the infinities are null. Of what holds itself only that is said.
 */

/** V8's `JSON.rawJSON`, which the language's types do not know yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** With its end. */
export function jsonLine(value: unknown): string {
  try {
    return `${JSON.stringify(value, closest) ?? 'null'}\n`;
  } catch {
    return '{"unrepresentable":"this value holds itself, or is too large; read it with @hive/client"}\n';
  }
}

/** Some values turn themselves into something else before a replacer is asked, so the original is looked at. */
function closest(this: { readonly [key: string]: unknown }, key: string, value: unknown): unknown {
  const original = this[key];
  if (typeof original === 'bigint') return rawJSON(String(original));
  if (original instanceof Uint8Array) return base64Of(original);
  if (original instanceof ArrayBuffer) return base64Of(new Uint8Array(original));
  if (original instanceof DataView)
    return base64Of(new Uint8Array(original.buffer, original.byteOffset, original.byteLength));
  if (ArrayBuffer.isView(original)) return Array.from(original as unknown as Iterable<unknown>);
  if (original instanceof Map || original instanceof Set) return [...original];
  if (original instanceof Error) return { name: original.name, message: original.message };
  if (original instanceof RegExp) return String(original);
  return value;
}

function base64Of({ buffer, byteOffset, byteLength }: Uint8Array): object {
  return { base64: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}
