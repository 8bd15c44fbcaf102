// Reads and validates the fields of a JSON body, with the error messages of vLLM's server.
import type { JsonObject } from "./body.ts";
import { badRequest, type Finding, validationError } from "./errors.ts";

/** Maximum of findings in an error message, since a body may have a million wrong members. */
const MAX_FINDINGS = 100;

/** Reads typed fields of a body by pydantic's lax rules. It collects all findings, and `done` throws them as one error. */
export class Fields {
  private readonly body: JsonObject;
  private readonly findings: Finding[] = [];

  constructor(body: JsonObject) {
    this.body = body;
  }

  /** Returns a required field of any type. */
  required(name: string): unknown {
    const value = this.body[name];
    if (!Object.hasOwn(this.body, name)) this.find("missing", name, "Field required", this.body);
    return value;
  }

  list(name: string): unknown[] {
    const value = this.required(name);
    if (Array.isArray(value)) return value;
    if (Object.hasOwn(this.body, name)) this.find("list_type", name, "Input should be a valid list", value);
    return [];
  }

  string(name: string): string | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string") return value;
    this.find("string_type", name, "Input should be a valid string", value);
    return undefined;
  }

  integer(name: string): number | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "boolean") return value ? 1 : 0;
    if (typeof value === "number") {
      if (Number.isInteger(value)) return value;
      const msg = "Input should be a valid integer, got a number with a fractional part";
      this.find("int_from_float", name, msg, value);
    } else if (typeof value === "string") {
      if (/^\s*[+-]?\d+\s*$/.test(value)) return Number(value);
      const msg = "Input should be a valid integer, unable to parse string as an integer";
      this.find("int_parsing", name, msg, value);
    } else {
      this.find("int_type", name, "Input should be a valid integer", value);
    }
    return undefined;
  }

  number(name: string): number | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "number") return value;
    if (typeof value === "string") {
      if (value.trim() !== "" && !Number.isNaN(Number(value))) return Number(value);
      const msg = "Input should be a valid number, unable to parse string as a number";
      this.find("float_parsing", name, msg, value);
    } else {
      this.find("float_type", name, "Input should be a valid number", value);
    }
    return undefined;
  }

  boolean(name: string): boolean {
    const value = this.body[name];
    if (value === undefined || value === null) return false;
    if (typeof value === "boolean") return value;
    if (value === 0 || value === 1) return value === 1;
    if (typeof value === "string") {
      const word = value.toLowerCase();
      if (["true", "t", "yes", "y", "on", "1"].includes(word)) return true;
      if (["false", "f", "no", "n", "off", "0"].includes(word)) return false;
      this.find("bool_parsing", name, "Input should be a valid boolean, unable to interpret input", value);
    } else {
      this.find("bool_type", name, "Input should be a valid boolean", value);
    }
    return false;
  }

  object(name: string): JsonObject | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "object" && !Array.isArray(value)) return value as JsonObject;
    const msg = "Input should be a valid dictionary or instance of StreamOptions";
    this.find("model_type", name, msg, value);
    return undefined;
  }

  find(type: string, name: string | (string | number)[], msg: string, input: unknown): void {
    if (this.findings.length === MAX_FINDINGS) return;
    const path = Array.isArray(name) ? name : [name];
    this.findings.push({ type, loc: ["body", ...path], msg, input });
  }

  done(): void {
    if (this.findings.length > 0) throw validationError(this.findings);
  }
}

/** The fields that all generation routes share. */
export interface Generation {
  model: string | undefined;
  stream: boolean;
  includeUsage: boolean;
  continuousUsage: boolean;
  n: number;
  cacheSalt: string;
}

export function generationFields(fields: Fields): () => Generation {
  const model = fields.string("model");
  const stream = fields.boolean("stream");
  const options = fields.object("stream_options");
  const n = fields.integer("n");
  const temperature = fields.number("temperature");
  const topP = fields.number("top_p");
  const cacheSalt = fields.string("cache_salt") ?? "";
  return () => {
    if (options !== undefined && !stream) {
      throw badRequest("Stream options can only be defined when `stream=True`.", "stream_options");
    }
    if (n !== undefined && (n < 1 || n > 128)) throw badRequest(`n must be at least 1, got ${n}.`, "n");
    if (temperature !== undefined && temperature < 0) {
      throw badRequest(`temperature must be non-negative, got ${temperature}.`, "temperature");
    }
    if (topP !== undefined && (topP <= 0 || topP > 1)) {
      throw badRequest(`top_p must be in (0, 1], got ${topP}.`, "top_p");
    }
    // In vLLM `stream_options` without `include_usage` asks for usage.
    const includeUsage = options !== undefined && (options.include_usage ?? true) === true;
    const continuousUsage = includeUsage && options?.continuous_usage_stats === true;
    return { model, stream, includeUsage, continuousUsage, n: n ?? 1, cacheSalt };
  };
}
