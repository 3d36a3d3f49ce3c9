/** Folding results into one value. */
export { encodeFolded, FOLD_INTO_LESS, type Folded, foldedInput, foldValues } from './fold.ts';
export { type FoldFunction, type Operator, operatorOf, reduceProblem } from './operator.ts';
