/** Results on one line of a terminal: short unless all of it was asked for. */

const SHOWN_CHARACTERS_MAX = 8;
const ARROW = ' -> ';

/** `7c0b5f54...` out of a Drone's text for a result, which may name the input first: `"in" -> "7c0b5f5412…"`. */
export function shortResult(display: string): string {
  const output = display.slice(display.lastIndexOf(ARROW) + (display.includes(ARROW) ? ARROW.length : 1));
  const isText = output.startsWith('"');
  if (!isText) return output;
  const text = output.slice(1).replace(/["…]+$/, '');
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}...`;
}
