/**
 * What follows the options: the command, then `:::` values and `::::` files, with `+` linked to the source before them.
 */
export interface Source {
  readonly from: SourceKind;
  /** Goes in step with the source before it, instead of being combined with it. */
  readonly isLinked: boolean;
}
export type SourceKind =
  | { readonly type: 'values'; readonly values: readonly string[] }
  /** `-` is standard input. */
  | { readonly type: 'file'; readonly path: string };

export interface Separators {
  readonly values: string;
  readonly files: string;
}

export interface CommandLine {
  readonly command: readonly string[];
  readonly sources: readonly Source[];
}

export function splitAtSeparators(rest: readonly string[], { values, files }: Separators): CommandLine {
  const separators = [values, `${values}+`, files, `${files}+`];
  const first = rest.findIndex((word) => separators.includes(word));
  if (first === -1) return { command: rest, sources: [] };
  // With nothing after it, GNU parallel takes a separator at the end for no separator at all.
  if (first === rest.length - 1) return { command: rest.slice(0, -1), sources: [] };
  const sources: Source[] = [];
  for (let at = first; at < rest.length; ) {
    const separator = rest[at]!;
    const isLinked = separator.endsWith('+') && separator !== values && separator !== files;
    let end = at + 1;
    while (end < rest.length && !separators.includes(rest[end]!)) end++;
    const words = rest.slice(at + 1, end);
    if (separator === files || separator === `${files}+`)
      sources.push(...words.map((path): Source => ({ from: { type: 'file', path }, isLinked })));
    else sources.push({ from: { type: 'values', values: words }, isLinked });
    at = end;
  }
  return { command: rest.slice(0, first), sources };
}
