/** A request gets an error response in vLLM's format. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly type: string;
  readonly param: string | null;

  constructor(status: number, type: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.type = type;
    this.param = param;
  }

  get body(): string {
    const { message, type, param, status } = this;
    return JSON.stringify({ error: { message, type, param, code: status } });
  }
}

export function badRequest(message: string, param: string | null = null): ApiError {
  return new ApiError(400, "BadRequestError", message, param);
}

export function modelNotFound(model: string): ApiError {
  return new ApiError(404, "NotFoundError", `The model \`${model}\` does not exist.`, "model");
}

/** One finding of pydantic's validation, as vLLM prints it. */
export interface Finding {
  type: string;
  loc: (string | number)[];
  msg: string;
  input: unknown;
  ctx?: Record<string, unknown>;
}

/** Makes the error of FastAPI's request validation, in vLLM's words. */
export function validationError(findings: Finding[]): ApiError {
  const label = findings.length === 1 ? "error" : "errors";
  const lines = findings.map((finding) => `  ${findingRepr(finding)}`);
  const message = `${findings.length} validation ${label}:\n${lines.join("\n")}`;
  const param = findings[0]?.loc.join(".") ?? null;
  return new ApiError(400, "Bad Request", message, param);
}

function findingRepr(finding: Finding): string {
  const loc = finding.loc.map((part) => pythonRepr(part)).join(", ");
  const ctx = finding.ctx === undefined ? "" : `, 'ctx': ${pythonRepr(finding.ctx)}`;
  const input = pythonRepr(finding.input);
  return `{'type': '${finding.type}', 'loc': (${loc}${finding.loc.length === 1 ? "," : ""}), 'msg': ${pythonRepr(finding.msg)}, 'input': ${input}${ctx}}`;
}

/** The simulator cuts long inputs in error messages; vLLM echoes them whole. */
const LONGEST_ECHO = 4096;

function pythonRepr(value: unknown): string {
  const text = repr(value, 0);
  return text.length > LONGEST_ECHO ? `${text.slice(0, LONGEST_ECHO)}...` : text;
}

function repr(value: unknown, depth: number): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") {
    const cut = value.length > LONGEST_ECHO ? value.slice(0, LONGEST_ECHO) : value;
    const escaped = cut.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t");
    return escaped.includes("'") && !escaped.includes('"') ? `"${escaped}"` : `'${escaped.replace(/'/g, "\\'")}'`;
  }
  if (typeof value !== "object") return String(value);
  if (depth > 20) return "...";
  // A hostile body may have millions of members, so members beyond the cut are not read.
  if (Array.isArray(value)) {
    return `[${value
      .slice(0, 1000)
      .map((item) => repr(item, depth + 1))
      .join(", ")}]`;
  }
  const members: string[] = [];
  for (const key in value) {
    members.push(`${repr(key, depth)}: ${repr((value as Record<string, unknown>)[key], depth + 1)}`);
    if (members.length === 1000) break;
  }
  return `{${members.join(", ")}}`;
}
