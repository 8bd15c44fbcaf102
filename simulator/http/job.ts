// Connects an HTTP request with the engine: submits its sequences, and writes the response as tokens arrive.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ApiProcess } from "../api-process.ts";
import type { Engine } from "../engine/engine.ts";
import { fillerText, type Prompt } from "../engine/prompt.ts";
import type { FinishReason, Sequence, SequenceListener } from "../engine/sequence.ts";
import { sampleValue } from "../metrics/numbers.ts";
import type { Choice, Shape, Usage } from "./answers.ts";
import { ApiError } from "./errors.ts";
import { leastLoaded, type PodState } from "./pod-state.ts";
import { send } from "./send.ts";

export interface JobPlan {
  model: string;
  adapter: string | undefined;
  prompts: Prompt[];
  n: number;
  outputTokens: number;
  endsBy: "stop" | "length";
  maxTokens: number | undefined;
  stream: boolean;
  includeUsage: boolean;
  continuousUsage: boolean;
  shape: Shape;
}

/** One HTTP request in the engine. It has a sequence for each prompt and choice, and sends a whole response or a stream. */
export class Job implements SequenceListener {
  private readonly pod: PodState;
  private readonly plan: JobPlan;
  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly engine: Engine;
  private readonly api: ApiProcess;
  private readonly sequences: Sequence[] = [];
  private readonly choices: Choice[] = [];
  private readonly sent: number[] = [];
  private left: number;
  private started = false;
  private closed = false;

  constructor(pod: PodState, plan: JobPlan, request: IncomingMessage, response: ServerResponse) {
    this.pod = pod;
    this.plan = plan;
    this.request = request;
    this.response = response;
    this.left = plan.prompts.length * plan.n;
    checkFit(pod, plan);
    checkAdmission(pod, this.left);
    this.engine = leastLoaded(pod.engines);
    this.api = pod.api.serving(request);
  }

  run(): void {
    const { pod, plan } = this;
    pod.counts.model(plan.adapter ?? plan.model).received++;
    this.response.on("close", () => this.close());
    for (const prompt of plan.prompts) {
      for (let i = 0; i < plan.n; i++) {
        this.sent.push(0);
        this.choices.push({ tokens: 0, reason: plan.endsBy });
        this.sequences.push(
          this.engine.submit({
            promptTokens: prompt.tokens,
            hashes: prompt.hashes,
            outputTokens: plan.outputTokens,
            endsBy: plan.endsBy,
            adapter: plan.adapter,
            maxTokens: plan.maxTokens,
            listener: this,
          }),
        );
      }
    }
  }

  token(sequence: Sequence): void {
    if (this.plan.stream) this.api.run(() => this.deliver(sequence));
  }

  finished(sequence: Sequence, reason: FinishReason): void {
    this.api.run(() => this.deliverEnd(sequence, reason));
  }

  /** Sends all tokens that are not sent yet: a late delivery has the tokens of several steps, as in vLLM. */
  private deliver(sequence: Sequence): void {
    const index = this.indexOf(sequence);
    const from = this.sent[index] as number;
    if (from > 0 && sequence.generated - from < this.pod.params.streamInterval) return;
    this.sent[index] = sequence.generated;
    const text = fillerText(from, sequence.generated);
    this.write(this.plan.shape.delta(index, text, this.running(sequence)));
  }

  private deliverEnd(sequence: Sequence, reason: FinishReason): void {
    if (this.closed) return;
    if (reason === "error") {
      this.fail();
      return;
    }
    const index = this.indexOf(sequence);
    this.choices[index] = { tokens: sequence.generated, reason };
    this.left--;
    if (this.plan.stream) {
      const text = fillerText(this.sent[index] as number, sequence.generated);
      this.write(this.plan.shape.last(index, text, reason, this.running(sequence)));
    }
    if (this.left > 0) return;
    const counts = this.pod.counts;
    counts.finished++;
    counts.model(this.plan.adapter ?? this.plan.model).finished++;
    this.closed = true;
    const usage = this.usage();
    if (this.plan.stream) {
      this.response.end(this.plan.shape.end(this.plan.includeUsage ? usage : null, this.choices, usage));
    } else {
      send(this.pod, this.response, 200, this.plan.shape.whole(this.choices, usage), this.loadHeader());
    }
  }

  private indexOf(sequence: Sequence): number {
    return this.sequences.length === 1 ? 0 : this.sequences.indexOf(sequence);
  }

  private write(text: string): void {
    if (this.closed) return;
    if (this.started) {
      this.response.write(text);
      return;
    }
    this.started = true;
    this.response.writeHead(200, {
      server: "uvicorn",
      "content-type": "text/event-stream; charset=utf-8",
      "x-inference-pod": this.pod.name,
    });
    this.response.write(this.plan.shape.start(this.sequences.length) + text);
  }

  /** Aborts the sequences unless the response is complete. Called when the connection closes. */
  private close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pod.counts.aborted++;
    this.pod.counts.model(this.plan.adapter ?? this.plan.model).aborted++;
    for (const sequence of this.sequences) this.engine.abort(sequence);
  }

  private fail(): void {
    this.closed = true;
    for (const sequence of this.sequences) this.engine.abort(sequence);
    this.pod.counts.refused++;
    const error = new ApiError(500, "InternalServerError", "Internal server error");
    if (this.started) this.response.end(`data: ${error.body}\n\ndata: [DONE]\n\n`);
    else send(this.pod, this.response, error.status, error.body);
  }

  private usage(): Usage {
    let completion = 0;
    for (const choice of this.choices) completion += choice.tokens;
    let prompt = 0;
    for (const one of this.plan.prompts) prompt += one.tokens;
    const cached = this.pod.params.promptTokensDetails ? (this.sequences[0]?.cachedTokens ?? 0) : undefined;
    return { prompt, completion, cached };
  }

  private running(sequence: Sequence): Usage | null {
    if (!this.plan.continuousUsage) return null;
    return { prompt: sequence.request.promptTokens, completion: sequence.generated, cached: undefined };
  }

  /** Returns the header with vLLM's load report in text form. Only responses that are not streamed have the header. */
  private loadHeader(): Record<string, string> {
    const format = this.request.headers["endpoint-load-metrics-format"];
    if (typeof format !== "string" || format.toUpperCase() !== "TEXT") return {};
    const { engines, params } = this.pod;
    const values = [
      ...engines.map((engine, rank) => {
        return ["num_requests_waiting", engine.stats.waiting + (rank === 0 ? params.extraWaiting : 0)] as const;
      }),
      ...engines.map((engine) => ["kv_cache_usage_perc", engine.stats.kvUsage] as const),
    ];
    const text = values.map(([name, value]) => `named_metrics.${name}=${sampleValue(value)}`).join(", ");
    return { "endpoint-load-metrics": `TEXT ${text}` };
  }
}

function checkFit(pod: PodState, plan: JobPlan): void {
  const { params } = pod;
  const limit = Math.min(params.maxModelLen, params.kvBlocks * params.blockSize);
  const asked = plan.maxTokens ?? 0;
  const needed = plan.maxTokens === undefined ? Math.min(1, plan.outputTokens) : asked;
  for (const prompt of plan.prompts) {
    if (prompt.tokens + needed <= limit) continue;
    const least = Math.max(1, limit - asked + 1);
    throw new ApiError(
      400,
      "BadRequestError",
      `This model's maximum context length is ${limit} tokens. However, you requested ${asked} output tokens and your prompt contains at least ${least} input tokens, for a total of at least ${least + asked} tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=${least})`,
      "input_tokens",
    );
  }
}

function checkAdmission(pod: PodState, sequences: number): void {
  const { maxQueuedReqs } = pod.params;
  if (maxQueuedReqs === 0) return;
  let inFlight = sequences;
  for (const engine of pod.engines) inFlight += engine.waitingNow + engine.runningNow;
  if (inFlight <= maxQueuedReqs) return;
  const first = pod.engines[0] as Engine;
  first.stats.rejections++;
  first.stats.version++;
  throw new ApiError(503, "ServiceUnavailableError", "The server is overloaded: too many requests are in flight.");
}
