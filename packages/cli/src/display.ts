/** Results on one line of a terminal: short unless all of it was asked for. */

const SHOWN_CHARACTERS_MAX = 8;
const INPUT_CHARACTERS_MAX = 60;
const ARROW = ' -> ';

/** The beginning of a Drone's text for an input. */
export function shortInput(display: string): string {
  return display.length <= INPUT_CHARACTERS_MAX ? display : `${display.slice(0, INPUT_CHARACTERS_MAX - 1)}…`;
}

/** `7c0b5f54...` out of a Drone's text for a result, which may name the input first: `"in" -> "7c0b5f5412…"`. */
export function shortResult(display: string): string {
  const output = display.slice(startOfOutput(display));
  if (!output.startsWith('"')) return output;
  const text = unquoted(output);
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}...`;
}

/** Texts are quoted as in JSON, so an arrow inside of one is not the arrow. */
function startOfOutput(display: string): number {
  const input = /^"(?:[^"\\…]|\\.)*["…]/.exec(display)?.[0] ?? '';
  const arrow = display.indexOf(ARROW, input.length);
  return arrow < 0 ? 0 : arrow + ARROW.length;
}

function unquoted(output: string): string {
  try {
    return JSON.parse(output) as string;
  } catch {
    return output.slice(1).replace(/…$/, '');
  }
}
