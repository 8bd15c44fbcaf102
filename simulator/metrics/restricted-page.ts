// The page that prometheus_client's ASGI app renders for `name[]=…`.

/**
 * Returns the families of a page with only the samples that have one of these names, without the families that then have no sample.
 * `page` is a whole page of exposition.ts. prometheus_client writes the families in any order.
 */
export function restrictedPage(page: string, names: ReadonlySet<string>): string {
  let out = "";
  let header = "";
  for (let at = 0; at < page.length; ) {
    const end = page.indexOf("\n", at) + 1;
    if (page.startsWith("# HELP ", at)) header = page.slice(at, end);
    else if (page.startsWith("# TYPE ", at)) header += page.slice(at, end);
    else if (names.has(sampleName(page, at, end))) {
      out += header + page.slice(at, end);
      header = "";
    }
    at = end;
  }
  return out;
}

/** The name of the sample in the line from `at` to `end`. */
function sampleName(page: string, at: number, end: number): string {
  const line = page.slice(at, end);
  return line.slice(0, line.search(/[{ ]/));
}
