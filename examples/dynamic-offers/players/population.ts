/**
 * Players drawn from a summary of the data (population.json, made by training/population.py), not from rows of it.
 *
 * A Gaussian copula: correlated normal numbers, turned into uniform ones, turned into each column's own distribution by its
 * quantiles or category shares. So single columns look like the data and move together as in the data.
 *
 * P1  The same summary and seed give the same players on every machine; the first n do not depend on the count.
 */

export interface NumberColumn {
  readonly kind: "number";
  readonly name: string;
  /** Values are whole, counts of pages for example. */
  readonly integer: boolean;
  /** Share of zeros; the quantiles describe the rest. */
  readonly zeroFraction: number;
  /** Zero whenever this earlier column is zero. */
  readonly zeroWith?: string;
  readonly probabilities: readonly number[];
  readonly quantiles: readonly number[];
}

export interface CategoryColumn {
  readonly kind: "category";
  readonly name: string;
  readonly values: readonly number[];
  readonly fractions: readonly number[];
}

export interface PopulationSummary {
  readonly formatVersion: number;
  /** The vector's features in the manifest's order; with `oneWhen` 1 if the column has that value, otherwise 0. */
  readonly features: readonly { readonly name: string; readonly column: string; readonly oneWhen?: number }[];
  readonly columns: readonly (NumberColumn | CategoryColumn)[];
  /** Spearman's, in the order of `columns`. */
  readonly rankCorrelation: readonly (readonly number[])[];
}

export interface Player {
  /** `player-00001` and on. */
  readonly playerId: string;
  /** As the models want it, in the manifest's order. */
  readonly features: Float32Array;
}

export function* drawPlayers(
  summary: PopulationSummary,
  { count, seed }: { count: number; seed: number },
): Generator<Player> {
  const factor = latentFactor(summary.rankCorrelation);
  const places = new Map(summary.columns.map((column, i) => [column.name, i]));
  const quantileOf = summary.columns.map((column) => inverseDistribution(column));
  const zeroWith = summary.columns.map((column) =>
    column.kind === "number" && column.zeroWith !== undefined ? placeOf(places, column.zeroWith) : undefined,
  );
  const features = summary.features.map((feature) => ({
    place: placeOf(places, feature.column),
    oneWhen: feature.oneWhen,
  }));
  const normal = normalNumbers(uniformNumbers(seed));

  for (let n = 1; n <= count; n++) {
    const independent = factor.map(() => normal());
    const drawn: number[] = [];
    quantileOf.forEach((quantile, i) => {
      const z = dot(at(factor, i), independent);
      const zeroPlace = zeroWith[i];
      drawn.push(zeroPlace !== undefined && drawn[zeroPlace] === 0 ? 0 : quantile(normalCdf(z)));
    });
    yield {
      playerId: `player-${String(n).padStart(5, "0")}`,
      features: Float32Array.from(features, ({ place, oneWhen }) => {
        const value = at(drawn, place);
        return oneWhen === undefined ? value : Number(value === oneWhen);
      }),
    };
  }
}

/** From a number in (0, 1) to the column's value. */
function inverseDistribution(column: NumberColumn | CategoryColumn): (u: number) => number {
  if (column.kind === "category") {
    let sum = 0;
    const ends = column.fractions.map((fraction) => (sum += fraction));
    // The shares are rounded: what little is missing at the end belongs to the last category.
    ends[ends.length - 1] = 1;
    return (u) =>
      at(
        column.values,
        ends.findIndex((end) => u <= end),
      );
  }
  const { zeroFraction, integer, probabilities, quantiles } = column;
  return (u) => {
    if (u < zeroFraction) return 0;
    const value = interpolate(probabilities, quantiles, (u - zeroFraction) / (1 - zeroFraction));
    return integer ? Math.round(value) : value;
  };
}

function interpolate(xs: readonly number[], ys: readonly number[], x: number): number {
  const found = xs.findIndex((end) => x <= end);
  const i = found === -1 ? xs.length - 1 : Math.max(found, 1);
  const share = (x - at(xs, i - 1)) / (at(xs, i) - at(xs, i - 1));
  return at(ys, i - 1) + share * (at(ys, i) - at(ys, i - 1));
}

/** The lower Cholesky factor of the correlations that the normal numbers need so that ranks correlate as in the summary. */
function latentFactor(rankCorrelation: readonly (readonly number[])[]): number[][] {
  const latent = rankCorrelation.map((row, i) =>
    row.map((rho, j) => (i === j ? 1 : 2 * Math.sin((Math.PI / 6) * rho))),
  );
  // Pairwise rank correlations need not fit together exactly (one-hot and rounded columns least of all). Weakening all of
  // them by the same small share is the mildest repair that always works.
  for (let kept = 1; kept > 0; kept -= 0.01) {
    const factor = cholesky(latent.map((row, i) => row.map((value, j) => (i === j ? 1 : value * kept))));
    if (factor !== undefined) return factor;
  }
  throw new TypeError("population: rankCorrelation must be a square matrix of numbers between -1 and 1");
}

/** Undefined when the matrix is not positive definite. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] | undefined {
  const lower = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < matrix.length; i++) {
    const row = at(lower, i);
    for (let j = 0; j <= i; j++) {
      const other = at(lower, j);
      const rest = at(at(matrix, i), j) - dot(row.slice(0, j), other);
      if (i !== j) row[j] = rest / at(other, j);
      else if (rest > 1e-9) row[j] = Math.sqrt(rest);
      else return undefined;
    }
  }
  return lower;
}

/** The sum over the places of `a`; `b` may be longer. */
function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += at(a, i) * at(b, i);
  return sum;
}

/** Box and Muller, 1958; the second of each pair is kept for the next call. */
function normalNumbers(uniform: () => number): () => number {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/** Abramowitz and Stegun 7.1.26, absolute error below 1e-7. */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const polynomial =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const upper = 0.5 * polynomial * Math.exp(-x * x);
  return z > 0 ? 1 - upper : upper;
}

/** xoshiro128** (Blackman, Vigna 2018) in [0, 1), its state filled by a multiply-and-shift hash of the seed. */
function uniformNumbers(seed: number): () => number {
  let counter = seed | 0;
  const word = () => {
    counter = (counter + 0x9e3779b9) | 0;
    const a = Math.imul(counter ^ (counter >>> 16), 0x21f0aaad);
    const b = Math.imul(a ^ (a >>> 15), 0x735a2d97);
    return b ^ (b >>> 15);
  };
  let [a, b, c, d] = [word(), word(), word(), word()];
  return () => {
    const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return (scrambled >>> 0) / 2 ** 32;
  };
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function placeOf(places: ReadonlyMap<string, number>, name: string): number {
  const place = places.get(name);
  if (place === undefined) throw new TypeError(`population: no column is named "${name}"`);
  return place;
}

function at<T>(values: readonly T[], i: number): T {
  const value = values[i];
  if (value === undefined)
    throw new TypeError(`population: expected an entry at ${i}, the summary has ${values.length}`);
  return value;
}
