// The paths on which a server may show only the samples that are asked for. prometheus_client (Python) reads the names from
// the query `name[]`. vLLM mounts its ASGI app on "/metrics/", while "/metrics" itself is answered by
// prometheus-fastapi-instrumentator, which ignores the query. So the path with a slash is tried first.

/** Servers and proxies allow 8 KiB for a request's first line and more; the path of a user and a proxy's prefix fit as well. */
const MAX_QUERY_BYTES = 6000;

/**
 * Returns the paths that ask for `names` only, in the order in which they are tried. `path`: path and query of the whole page.
 * Returns none if there are no names, or if they are too long for a URL.
 */
export function restrictedPaths(path: string, names: readonly string[]): string[] {
  const query = names.map((name) => `name%5B%5D=${encodeURIComponent(name)}`).join("&");
  if (names.length === 0 || query.length > MAX_QUERY_BYTES || path.includes("#")) return [];
  if (path.includes("?")) return [`${path}&${query}`];
  return path.endsWith("/") ? [`${path}?${query}`] : [`${path}/?${query}`, `${path}?${query}`];
}
