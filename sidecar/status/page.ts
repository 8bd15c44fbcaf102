// The status page and the policy that guards it. Pods and clusters choose the names on the page, so names may contain markup.
// The page sets names as text. The policy lets the browser run only the page's own script, even if markup gets through.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export const PAGE = readFileSync(new URL("./page.html", import.meta.url), "utf8");

export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    `style-src ${hashOf("style")}`,
    `script-src ${hashOf("script")}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
};

/** Returns a source expression of CSP: the SHA-256 of the text in the page's only element of this name. */
function hashOf(element: "script" | "style"): string {
  const parts = PAGE.split(new RegExp(`</?${element}>`));
  if (parts.length !== 3) throw new Error(`page.html: expected one <${element}> without attributes`);
  return `'sha256-${createHash("sha256")
    .update(parts[1] ?? "")
    .digest("base64")}'`;
}
