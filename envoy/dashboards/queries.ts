// The form of panels, and the queries that many of them share. `$envoy`, `$sidecar` and `$vllm` are the Prometheus jobs of Envoy, the
// sidecar and the model servers; `$model` is a model's name.

interface Query {
  expr: string;
  legend: string;
}

export interface Panel {
  title: string;
  /** The panel's description. */
  about: string;
  unit: "reqps" | "s" | "ms" | "short" | "percentunit" | "bytes" | "tokens/s" | "ops";
  queries: readonly Query[];
  /** Whether the areas are stacked, for parts of a whole. */
  stacked?: boolean;
}

export interface Row {
  title: string;
  panels: readonly Panel[];
}

export const ENVOY = '{job=~"$envoy"}';
export const SIDECAR = '{job=~"$sidecar"}';
export const VLLM = '{job=~"$vllm", model_name=~"$model"}';

export const ratesOf = (names: readonly string[]): Query[] =>
  names.map((name) => ({ expr: `sum(rate(pilotfish_${name}${ENVOY}[$__rate_interval]))`, legend: name }));

export const quantiles = (name: string, by: string, matchers: string, quantile: readonly number[]): Query[] =>
  quantile.map((q) => ({
    expr: `histogram_quantile(${q}, sum by (le, ${by}) (rate(${name}_bucket${matchers}[$__rate_interval])))`,
    legend: `p${q * 100} {{${by}}}`,
  }));
