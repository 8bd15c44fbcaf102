/** Writes a float in the format of Python's repr. */
export function pythonFloat(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e16) return Object.is(x, -0) ? "-0.0" : `${x}.0`;
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const size = Math.abs(x);
  if (size >= 1e-4 && size < 1e16) return String(x);
  const [mantissa, exponent] = x.toExponential().split("e") as [string, string];
  const digits = exponent.slice(1);
  return `${mantissa}e${exponent[0]}${digits.length < 2 ? `0${digits}` : digits}`;
}

/**
 * Writes a sample's value as prometheus_client does: in Python's repr below a million, in Go's exponent form from a million
 * up. The exponent always gets a leading 0, as in `e+010`.
 */
export function sampleValue(x: number): string {
  if (x >= 0 && x < 1e6 && Number.isInteger(x)) return `${x}.0`;
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "+Inf" : "-Inf";
  const text = pythonFloat(x);
  const dot = text.indexOf(".");
  if (x <= 0 || dot <= 6) return text;
  const mantissa = `${text[0]}.${text.slice(1, dot)}${text.slice(dot + 1)}`.replace(/[0.]+$/, "");
  return `${mantissa}e+0${dot - 1}`;
}

export function escapeLabel(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
}
