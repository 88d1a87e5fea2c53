// Calls a model under the gate until it is refused: governed.mjs API MODEL_URL MISSION_ID
import { Gate, Refused } from "./gate.mjs";

const [api, model, mission_id] = process.argv.slice(2);
const gate = new Gate(api, process.env.NEURORAIL_API_KEY);
const ended = new AbortController();
await new Promise((opened) => gate.follow(ended.signal, opened));

const prompt = "Say hello.";
let calls = 0;
try {
  for (;;) {
    const call = {
      mission_id,
      context: { model: "gpt-4o", provider: "openai" },
      // Upper bounds: no text has more tokens than bytes, and the answer is limited by the request.
      estimates: { input_tokens: Buffer.byteLength(prompt) + 128, output_tokens: 20 },
    };
    await gate.call(call, async () => {
      const answer = await fetch(`${model}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer k" },
        body: JSON.stringify({
          model: "gpt-4o",
          max_tokens: 20,
          messages: [{ role: "user", content: prompt }],
        }),
      });
      const { choices, usage } = await answer.json();
      const { prompt_tokens: input_tokens, completion_tokens: output_tokens } = usage;
      return { answer: choices[0].message.content, usage: { input_tokens, output_tokens } };
    });
    calls += 1;
  }
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.log(calls, error.code);
}
ended.abort();
