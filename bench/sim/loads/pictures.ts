// Chat and pictures: a picture is long in the body, as base64, and short in the engine.
import type { Draws } from "../draws.ts";
import type { Draft, Part } from "../request.ts";
import { type Kind, system, user } from "./kind.ts";

const CUSTOMERS = 100;
const PICTURE_BYTES = 100_000;
/** A picture of 1,280 x 720 has some 900 tokens (width * height / 1024). */
const PICTURE_TOKENS = 1000;

interface Picture {
  url: string;
  /** What the engine makes of the picture. */
  tokens: string;
}

function picture(draws: Draws): Picture {
  let random = "";
  while (random.length < 2000) random += draws.next().toString(36).toUpperCase();
  const base64 = random.repeat(Math.ceil(PICTURE_BYTES / random.length)).slice(0, PICTURE_BYTES);
  return { url: `data:image/jpeg;base64,${base64}`, tokens: draws.text(PICTURE_TOKENS, "noise") };
}

function chats(draws: Draws, times: readonly number[]): Draft[] {
  const customers = Array.from({ length: CUSTOMERS }, () => ({
    prompt: system(draws.text(3000)),
    picture: picture(draws),
  }));
  return times.map((at) => {
    const customer = draws.pick(customers);
    const question = draws.text(draws.lognormal(150, 0.6, 10, 2000));
    const outputTokens = draws.lognormal(150, 0.6, 1, 1000);
    if (draws.fraction() >= 0.25) return { at, messages: [customer.prompt, user(question)], outputTokens };
    // Every other question is about the customer's last picture.
    if (draws.fraction() < 0.5) customer.picture = picture(draws);
    const { url, tokens } = customer.picture;
    const content: Part[] = [
      { type: "image_url", image_url: { url } },
      { type: "text", text: question },
    ];
    return {
      at,
      messages: [customer.prompt, { role: "user", content }],
      engineMessages: [customer.prompt, user(tokens + question)],
      outputTokens,
    };
  });
}

export const PICTURE_KINDS: Readonly<Record<string, Kind>> = {
  pictures: {
    title: `${CUSTOMERS} customers with system prompts of 3,000 tokens; every fourth request has a picture of 1,000 tokens, 100 KB of base64`,
    rate: 9,
    pods: 4,
    params: () => ({ kvBlocks: 8192 }),
    make: chats,
  },
};
