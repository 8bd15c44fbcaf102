import { promptTokensIn } from "../../../assembly/scan/usage";

/** Tokens in the last `tail` bytes of the text. The bytes around them would be read as something else. */
function tokensIn(text: string, tail: i32 = 1024): u32 {
  const bytes = String.UTF8.encode(text);
  const length = <u32>min(bytes.byteLength, tail);
  const memoryBytes = heap.alloc(length + 16);
  memory.fill(memoryBytes, 0x39, length + 16);
  memory.copy(memoryBytes + 8, changetype<usize>(bytes) + bytes.byteLength - length, length);
  const tokens = promptTokensIn(memoryBytes + 8, length);
  heap.free(memoryBytes);
  return tokens;
}

describe("usage of a response", () => {
  it("is read from each form that servers write", () => {
    expect(
      tokensIn(
        '{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}],"service_tier":null,' +
          '"usage":{"prompt_tokens":12,"total_tokens":20,"completion_tokens":8,"prompt_tokens_details":null},"prompt_logprobs":null}',
      ),
    ).toBe(12);
    expect(
      tokensIn(
        'data: {"id":"x","choices":[],"usage":{"prompt_tokens":345,"total_tokens":350,"completion_tokens":5}}\n\ndata: [DONE]\n\n',
      ),
    ).toBe(345);
    expect(
      tokensIn(
        '{"usage": {"completion_tokens": 3, "prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}}\n',
      ),
    ).toBe(7);
    expect(
      tokensIn(
        'event: response.completed\ndata: {"response":{"output":[],"usage":{"input_tokens":99,"input_tokens_details":' +
          '{"cached_tokens":96,"per_turn":[1,2]},"output_tokens":1},"user":null},"type":"response.completed"}\n\n',
      ),
    ).toBe(99);
    expect(
      tokensIn('{"stop_sequence":null,"usage":{"input_tokens":25,"cache_read_input_tokens":null,"output_tokens":1}}'),
    ).toBe(25);
    expect(
      tokensIn(
        '{"usage":{"input_tokens":5,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":1}}',
      ),
    ).toBe(125);
    expect(tokensIn('{"usage":{\n  "prompt_tokens" : 16777216 ,\t"note":"a \\"quoted\\" } , text"\r\n}}')).toBe(
      16777216,
    );
  });

  it("is not read from the text that a model wrote, wherever the bytes begin", () => {
    const written =
      '{"choices":[{"message":{"content":"a, {\\"usage\\":{\\"prompt_tokens\\":1}} b \\\\\\"usage\\\\\\":{"}}]';
    for (let tail = 1; tail < written.length; tail++) expect(tokensIn(written + "}", tail)).toBe(0);
    expect(tokensIn(written + ',"usage":{"prompt_tokens":50}}')).toBe(50);
  });

  it("is the last of several", () => {
    expect(
      tokensIn('{"tools":[{"parameters":{"usage":{"prompt_tokens":1}}}],"usage":{"input_tokens":60},"user":"u"}'),
    ).toBe(60);
    expect(tokensIn('{"usage":{"prompt_tokens":1},"usage":null}')).toBe(0);
    expect(tokensIn('data: {"usage":null}\n\ndata: {"usage":{"prompt_tokens":8}}\n\ndata: [DONE]\n\n')).toBe(8);
  });

  it("is ignored if anything about it is odd", () => {
    const odd: string[] = [
      "",
      '"usage"',
      '{"usage":',
      '{"usage":{}}',
      '{"usage":{"total_tokens":5}}',
      '{"usage":{"prompt_tokens":0}}',
      '{"usage":{"prompt_tokens":-5}}',
      '{"usage":{"prompt_tokens":5.5}}',
      '{"usage":{"prompt_tokens":5e3}}',
      '{"usage":{"prompt_tokens":"5"}}',
      '{"usage":{"prompt_tokens":16777217}}',
      '{"usage":{"prompt_tokens":99999999999999999999}}',
      '{"usage":{"prompt_tokens":5',
      '{"usage":{"prompt_tokens":5,',
      '{"usage":{"prompt_tokens":5,"total_tokens":',
      '{"usage":{"prompt_tokens":5,"details":{"a":[1,2}',
      '{"usage":{"prompt_tokens":5,"note":"never ends}}',
      '{"usage":{"prompt_tokens":5]}',
      '{"usage":{"details":{"prompt_tokens":5}}}',
      '{"usage":[{"prompt_tokens":5}]}',
      '{"usages":{"prompt_tokens":5}}',
      '{"xusage":{"prompt_tokens":5}}',
      '{"usage":{"input_tokens":16000000,"cache_read_input_tokens":16000000}}',
      '"usage":{"prompt_tokens":5}}',
    ];
    for (let i = 0; i < odd.length; i++) expect(tokensIn(odd[i])).toBe(0, odd[i]);
  });

  it("reads no byte beyond the end, wherever the bytes end", () => {
    const whole = '{"usage":{"prompt_tokens":123,"prompt_tokens_details":{"cached_tokens":3},"note":"\\\\"}}';
    for (let length = 0; length < whole.length - 1; length++) expect(tokensIn(whole.slice(0, length))).toBe(0);
    expect(tokensIn(whole)).toBe(123);
    expect(tokensIn(whole.slice(0, whole.length - 1))).toBe(123, "the outer object need not end");
  });
});
