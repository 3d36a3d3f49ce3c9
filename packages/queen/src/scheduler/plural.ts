/** Numbers in sentences for people: "1 task was", not "1 tasks were". */

/** @param one what stands behind the number 1, @param many behind all others */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
